"""Which version of luagate this is; pyproject.toml and ``luagate --version`` read it here."""

VERSION = "0.1.0"
