"""The one settings class: every field is an environment variable with the prefix FOREWARN_."""

from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.documents import complaint
from features.errors import BadInput


class Settings(BaseSettings):
    """Where state lives and how much of the machine to use. Secrets come from the environment only."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_ignore_empty=True, extra="forbid", frozen=True)

    home: Path = Path(__file__).resolve().parent.parent / "data"
    data: Path | None = None
    buckets: int = Field(default=8, ge=1, le=256)
    threads: int = Field(default=2, ge=1, le=256)
    tracking_uri: str | None = None
    store_url: str | None = None
    study_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    # How often serving moves the log into the tables (0: leave that to `forewarn ingest --follow`). How much of a worker's
    # memory the rows that still wait there may take, before it takes no more (503), and how much the latest histories.
    compact_seconds: float = Field(default=30.0, ge=0.0, le=86_400.0)
    log_mb: int = Field(default=1024, ge=1, le=65_536)
    live_mb: int = Field(default=256, ge=1, le=65_536)

    @field_validator("home")
    @classmethod
    def _a_folder(cls, home: Path) -> Path:
        # Absolute, since snapshots and pointers outlive the working directory that they were made in.
        home = home.expanduser().absolute()
        if home.exists() and not home.is_dir():
            raise ValueError(f"{home} is not a folder")
        return home

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
    def checkpoints(self) -> Path:
        """Of networks in training, by what is trained; gone when that has ended well."""
        return self.home / "checkpoints"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def tracking(self) -> str:
        return self.tracking_uri or f"sqlite:///{self.home / 'tracking' / 'mlflow.db'}"

    @property
    def study(self) -> str:
        """Where studies of the tuner live; several machines share one on PostgreSQL."""
        return self.study_url or f"sqlite:///{self.home / 'tuning' / 'studies.db'}"

    @property
    def store(self) -> str:
        return self.store_url or f"sqlite:///{self.home / 'store' / 'forewarn.db'}"


@cache
def settings() -> Settings:
    """Read the environment once per process. Raises BadInput that names the variable at fault."""
    try:
        return Settings()
    except ValidationError as error:
        field, what = complaint(error)
        raise BadInput(what, where=f"environment variable FOREWARN_{field.upper()}", mend="correct or unset it") from None
