"""The engine verifier: each program is a mod of its own fresh server, and the checks query that server.

What a check sees is the engine's: its registered tables, item stacks, inventories, recipes and node map. Not real are
the players (nobody joins: they are the recorder's, with the engine's inventories) and, unless a check lets the server
run (``steps``), time. Not covered: the client, the network, map generation.
"""

from __future__ import annotations

from dataclasses import replace

from env.refusal import Refusal
from eval.domains.luanti.verify.engine.game import GameFiles
from eval.domains.luanti.verify.engine.installation import FIX, Installation, find_installation
from eval.domains.luanti.verify.engine.server import Server, ServerSettings, container
from eval.domains.luanti.verify.recorder import Recorder
from eval.domains.luanti.verify.versions import caveat, series
from eval.pipeline.verifier import VerifierSettings, require_own_vm
from eval.records import TaskCheck
from eval.sandbox.isolation import insist, without
from eval.sandbox.pool import Pool, usable_cpus
from eval.sandbox.process import StartFailed

SERVERS_A_CPU = 2  # a third of a server's life is waiting for its own threads


class Engine(Recorder):
    """One server for every program, several at a time.

    Raises:
        Refusal: the engine is not installed, does not start, or its isolation is weaker than required.
    """

    def __init__(self, settings: VerifierSettings) -> None:
        require_own_vm(settings)
        engine = find_installation(settings.engine)
        if not engine.server:
            raise Refusal("The engine is not installed here.", FIX)
        self._settings = settings
        self._files = GameFiles(engine)
        try:
            self._open(engine)
        except BaseException:
            self._files.close()
            raise

    def _open(self, engine: Installation) -> None:
        settings = self._settings
        server, trial = start_trial(
            ServerSettings(
                self._files,
                container(engine, self._files),
                settings.timeout_s,
                settings.cpu_s,
                settings.memory_mb,
                settings.output_kb,
            )
        )
        insist(settings.require_isolation, trial.isolation, trial.isolation_reason)
        self.name = f"engine/{trial.version}"
        self.caveat, self.engine = caveat(trial.version), series(trial.version)
        workers = settings.workers or SERVERS_A_CPU * usable_cpus()
        self._pool = Pool(server, workers, settings.require_isolation, Server)
        self.isolation, self.isolation_reason = self._pool.isolation, self._pool.isolation_reason

    def supports(self, check: TaskCheck) -> bool:
        """Whether this verifier can run ``check``: every kind there is."""
        return check.needs in ("registry", "world")

    def close(self) -> None:
        """Cancel what waits, end every server and remove their files. Safe to call twice."""
        super().close()
        self._files.close()


def start_trial(settings: ServerSettings) -> tuple[ServerSettings, Server]:
    """Return the settings under which a server starts here and one that did, killed: contained if that works.

    Raises:
        Refusal: none starts.
    """
    try:
        try:
            server = Server(settings)
        except StartFailed as failed:
            if not settings.wrapper.prefix:
                raise
            settings = replace(settings, wrapper=without(settings.wrapper, str(failed)))
            server = Server(settings)
    except StartFailed as error:
        raise Refusal(
            f"The engine ({settings.files.command[-1]}) is installed but does not start: {error}.", FIX
        ) from None
    server.kill()
    return settings, server


def open_pool(settings: VerifierSettings) -> Engine:
    """Return a running verifier. Raises Refusal when the engine is missing, does not start or isolation is too weak."""
    return Engine(settings)
