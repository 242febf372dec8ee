"""The base of everything that is persisted or configured: frozen, nothing unknown, no NaN."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A frozen record that refuses unknown keys and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
