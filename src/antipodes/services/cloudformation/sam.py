"""The SAM transform: AWS's own translator (aws-sam-translator), without network.

The translator is slow to import, so it is imported when a template first asks for it. It is slow to run as well, and a
pure function of text, parameters and Region: what it made of them is remembered. It keeps the Region in a class
attribute that each Translator sets for itself: the call is synchronous, so Regions that share a process do not mix.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.cloudformation.text import validation_error


@dataclass(frozen=True, slots=True)
class _Session:
    """All that the translator wants of a boto3 session."""

    region_name: str


def expand(raw: Mapping[str, Any], parameters: Mapping[str, str], region: str) -> str:
    """The template, as JSON text, with its serverless resources replaced by what they stand for.

    Raises ValidationError with the translator's message.
    """
    return _expanded(orjson.dumps(raw), tuple(parameters.items()), region)


@functools.cache
def _trust_own_templates() -> None:
    """The translator checks the policy templates that it brings along against its own schema at every run, which takes
    longer than all else that it does. The answer does not change."""
    from samtranslator.policy_template_processor.processor import PolicyTemplatesProcessor  # noqa: PLC0415

    PolicyTemplatesProcessor._is_valid_templates_dict = staticmethod(lambda templates, schema=None: True)


@functools.lru_cache(maxsize=64)
def _expanded(raw: bytes, parameters: tuple[tuple[str, str], ...], region: str) -> str:
    from samtranslator.internal.managed_policies import get_bundled_managed_policy_map  # noqa: PLC0415
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics  # noqa: PLC0415
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    def policies() -> dict[str, str]:
        return dict(get_bundled_managed_policy_map("aws") or {})

    _trust_own_templates()
    # Left to itself, a Metrics that nobody publishes complains on stderr when it is collected.
    metrics = Metrics("antipodes", DummyMetricsPublisher())
    translator = Translator(None, Parser(), boto_session=_Session(region), metrics=metrics)
    try:
        translated = translator.translate(
            orjson.loads(raw), parameter_values=dict(parameters), get_managed_policy_map=policies
        )
    except InvalidDocumentException as error:
        causes = " ".join(str(cause.message) for cause in error.causes)
        raise validation_error(
            "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. "
            f"Number of errors found: {len(error.causes)}. {causes}"
        ) from None
    except Exception as error:  # the translator trusts its input: a malformed template makes it raise anything
        raise validation_error(
            f"Transform AWS::Serverless-2016-10-31 failed with: {type(error).__name__}: {error}"
        ) from None
    finally:
        metrics.publish()
    translated.pop("Globals", None)
    return orjson.dumps(translated).decode()
