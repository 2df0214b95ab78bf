"""The one settings class: every field is an environment variable with the prefix FOREWARN_."""

from functools import cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.errors import BadInput


class Settings(BaseSettings):
    """Where state lives and how much of the machine to use. Secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", extra="forbid", frozen=True)

    home: Path = Path(__file__).resolve().parent.parent / "data"
    data: Path | None = None
    buckets: int = 8
    threads: int = 2
    tracking_uri: str | None = None
    store_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 1

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def snapshots(self) -> Path:
        return self.home / "snapshots"

    @property
    def bundles(self) -> Path:
        return self.home / "bundles"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def tracking(self) -> str:
        return self.tracking_uri or f"sqlite:///{self.home / 'tracking' / 'mlflow.db'}"

    @property
    def store(self) -> str:
        return self.store_url or f"sqlite:///{self.home / 'store' / 'forewarn.db'}"


@cache
def settings() -> Settings:
    """Read the environment once per process. Raises BadInput that names the variable at fault."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "FOREWARN_" + "_".join(str(part) for part in first["loc"]).upper()
        raise BadInput(first["msg"], where=f"environment variable {name}", mend="correct or unset it") from None
