"""A YAML file of configs/ as a pydantic model."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from infra.errors import UserError
from infra.paths import ROOT

Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, model: type[Model]) -> Model:
    """The file's content. Raises UserError with all problems in one message."""
    name = shown(path)
    try:
        return model.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{name}: {error}") from None
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
        raise UserError(f"{name}:\n" + "\n".join(lines)) from None


def shown(path: Path) -> str:
    """A file as people name it: from the repository's root where it is in it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
