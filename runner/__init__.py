"""The manager of a run: command line, configuration, state machine, journal, worker processes, screens, reports."""
