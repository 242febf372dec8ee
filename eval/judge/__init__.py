"""A language model behind an endpoint that grades programs: cached, counted, and calibrated against execution."""
