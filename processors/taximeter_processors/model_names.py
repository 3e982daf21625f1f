"""Which entry of a price list a call means.

Emitters write provider and model as their integration calls them; a price list has
spellings of its own. Each rule below turns one into the other and has an example.
What no rule finds stays unknown: a guess would be a wrong price, and a model of the
same name at another provider is another price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from taximeter_processors.model_spellings import Spelling, spellings

__all__ = ["Match", "ModelIndex", "families_of", "family_of"]

# Stands for every provider family.
_ANY: Final = ""

# In the list, but nothing that anyone can call.
_NOT_MODELS: Final = frozenset({"sample_spec", "fallback_generalizations", "rules"})

# Where AWS and Azure sell a model at a price of its own: "us-east-1/…", "eu/…".
_REGIONAL: Final = re.compile(
    r"(?:[a-z]{2}(?:-gov)?-[a-z]+-\d|eu|us|global|global-standard)/(?P<model>[^/]+)"
)

# Other spellings of a provider: OpenTelemetry's `gen_ai.provider.name`, SDK names, and
# the names under which a price list files one provider's kinds of models. The first
# family that has the model wins.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "amazon-bedrock": ("bedrock",),
    "amazon-nova": ("amazon_nova",),
    "amazon_bedrock": ("bedrock",),
    "aws": ("bedrock",),
    "aws.bedrock": ("bedrock",),
    "aws_bedrock": ("bedrock",),
    "azure-openai": ("azure",),
    "azure.ai.inference": ("azure_ai",),
    "azure.ai.openai": ("azure",),
    "azure_openai": ("azure",),
    "azure_text": ("azure",),
    "bedrock_converse": ("bedrock",),
    "cohere_chat": ("cohere",),
    "fireworks": ("fireworks_ai",),
    "fireworks-ai": ("fireworks_ai",),
    "fireworks_ai-embedding-models": ("fireworks_ai",),
    "gcp.gemini": ("gemini",),
    "gcp.gen_ai": ("gemini", "vertex_ai"),
    "gcp.vertex_ai": ("vertex_ai",),
    "google": ("gemini", "vertex_ai"),
    "google_genai": ("gemini", "vertex_ai"),
    "google_vertex": ("vertex_ai",),
    "ibm.watsonx.ai": ("watsonx",),
    "mistral_ai": ("mistral",),
    "mistralai": ("mistral",),
    "moonshot_ai": ("moonshot",),
    "moonshotai": ("moonshot",),
    "text-completion-codestral": ("codestral",),
    "text-completion-inception": ("inception",),
    "text-completion-openai": ("openai",),
    "together": ("together_ai",),
    "togetherai": ("together_ai",),
    "vertex": ("vertex_ai",),
    "vertex_ai_beta": ("vertex_ai",),
    "vertexai": ("vertex_ai",),
    "x-ai": ("xai",),
    "x_ai": ("xai",),
}


def families_of(provider: str) -> tuple[str, ...]:
    """Return the provider families that a provider's name may stand for, best first.

    >>> families_of("aws.bedrock")
    ('bedrock',)
    >>> families_of("google")
    ('gemini', 'vertex_ai')
    >>> families_of("vertex_ai-anthropic_models")
    ('vertex_ai',)
    >>> families_of("Acme")
    ('acme',)
    """
    name = provider.strip().lower()
    if name.startswith("vertex_ai-"):
        return ("vertex_ai",)
    return _ALIASES.get(name, (name,))


def family_of(provider: str) -> str:
    """Return the one family under which a price list's own provider name is filed.

    >>> family_of("bedrock_converse")
    'bedrock'
    """
    return families_of(provider)[0]


class Match(NamedTuple):
    """An entry of the list, and the rule that found it; none for its own name."""

    key: str
    rule: str = ""

    def __str__(self) -> str:
        """Return what the charge says: the entry, and the rule where there is one."""
        return f"{self.key} ({self.rule})" if self.rule else self.key


class ModelIndex:
    """Finds the key of a price list that prices (provider, model).

    Args:
        entries: the list.
        aliases: names of one's own, as "model" or "provider/model", and what they mean:
            an entry, or "provider/model". One that means nothing finds nothing.
        below: what these entries lie over: it has what they have not.

    >>> index = ModelIndex({
    ...     "gpt-4o": {"litellm_provider": "openai"},
    ...     "ft:gpt-4o-2024-08-06": {"litellm_provider": "openai"},
    ...     "xai/grok-4": {"litellm_provider": "xai"},
    ...     "deepseek-chat": {"litellm_provider": "deepseek"},
    ...     "deepseek/deepseek-chat": {"litellm_provider": "deepseek"},
    ...     "gemini/gemini-2.5-pro": {"litellm_provider": "gemini"},
    ...     "gemini-2.5-pro": {"litellm_provider": "vertex_ai-language-models"},
    ...     "perplexity/perplexity/sonar": {"litellm_provider": "perplexity"},
    ...     "perplexity/sonar": {"litellm_provider": "perplexity"},
    ...     "azure/eu/gpt-4o": {"litellm_provider": "azure"},
    ...     "sample_spec": {"litellm_provider": "openai"},
    ... }, aliases={"azure/our-chat": "azure/eu/gpt-4o", "my-gpt": "openai/gpt-4o"})

    1. The entry "provider/model", before a bare one of the same provider:

    >>> index.find("xai", "grok-4"), index.find("deepseek", "deepseek-chat")
    ('xai/grok-4', 'deepseek/deepseek-chat')

    2. The bare model, if its entry belongs to this provider and to no other:

    >>> index.find("openai", "gpt-4o"), index.find("acme", "gpt-4o")
    ('gpt-4o', None)
    >>> index.find("vertex_ai", "gemini-2.5-pro")
    'gemini-2.5-pro'

    3. The provider under another of its names:

    >>> index.find("google", "gemini-2.5-pro"), index.find("x_ai", "grok-4")
    ('gemini/gemini-2.5-pro', 'xai/grok-4')

    4. A model that already carries its provider. If the whole of it is an entry, then
    it is that one, even where the provider resells a "provider/model" of its own:

    >>> index.find("openai", "openai/gpt-4o"), index.find("x_ai", "x_ai/grok-4")
    ('gpt-4o', 'xai/grok-4')
    >>> index.find("perplexity", "perplexity/sonar"), index.find("perplexity", "sonar")
    ('perplexity/sonar', 'perplexity/sonar')
    >>> index.find("acme", "openai/gpt-4o") is None
    True

    5. By the further rules of `model_spellings`, each of which stands in the match:

    >>> index.match("openai", "ft:gpt-4o-2024-08-06:acme::A1b2")
    Match(key='ft:gpt-4o-2024-08-06', rule='fine-tuned')
    >>> str(index.match("google", "models/gemini-2.5-pro"))
    'gemini/gemini-2.5-pro (resource name)'
    >>> str(index.match("openai", "gpt-4o"))
    'gpt-4o'

    6. Last, whatever the case of its letters:

    >>> index.find("OpenAI", "GPT-4o")
    'gpt-4o'

    7. A region's own entry, before all others, where the event says the region:

    >>> index.match("azure", "gpt-4o", "EU")
    Match(key='azure/eu/gpt-4o', rule='region eu')
    >>> index.match("azure", "gpt-4o", "westus") is None
    True

    8. A deployment's private name, by the table that its owner gives, for a provider
    or for all; what it means is then found by the rules above, and by nobody's table:

    >>> index.match("azure", "our-chat")
    Match(key='azure/eu/gpt-4o', rule='alias')
    >>> str(index.match("azure", "My-GPT"))
    'gpt-4o (alias)'
    >>> tuned = ModelIndex({"ft:gpt-4o": {"litellm_provider": "openai"}},
    ...                    aliases={"ours": "openai/ft:gpt-4o:acme::A1b2"})
    >>> str(tuned.match("azure", "ours"))
    'ft:gpt-4o (alias, fine-tuned)'

    A dated snapshot is priced only by an entry of its own, and an example entry never:

    >>> index.find("openai", "gpt-4o-2031-01-01"), index.find("openai", "sample_spec")
    (None, None)
    """

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, object]],
        aliases: Mapping[str, str] | None = None,
        below: ModelIndex | None = None,
    ) -> None:
        self._aliases = dict(_aliased(entries, aliases or {}))
        self._below = below
        self._exact: dict[tuple[str, str], str] = {}
        named = list(_named(entries))
        whole = [
            (family, key, model)
            for family, key in named
            if (model := _own(key, family))
        ]
        # What goes in first wins: rule 4 before rule 1 before rule 2.
        for family, key, _ in whole:
            self._exact.setdefault((family, key), key)
        for family, key, model in whole:
            self._exact.setdefault((family, model), key)
        for family, key in named:
            self._exact.setdefault((family, key), key)
        self._regional = {
            (family, found["model"])
            for family, _, own in whole
            if (found := _REGIONAL.fullmatch(own))
        }
        self._folded: dict[tuple[str, str], str] = {}
        for (family, model), key in self._exact.items():
            self._folded.setdefault((family, model.lower()), key)

    def find(self, provider: str, model: str) -> str | None:
        """Return the list's key for a model at a provider, or None if there is none."""
        match = self.match(provider, model)
        return None if match is None else match.key

    def match(
        self, provider: str, model: str, region: str | None = None
    ) -> Match | None:
        """Return the entry for a model at a provider in a region, and why that one."""
        meant = self._meant(provider, model)
        if meant is None:
            return self._listed(provider, model, region)
        found = self._listed(*meant, region)
        if found is None:
            return None
        return Match(found.key, ", ".join(filter(None, ("alias", found.rule))))

    def has_regions(self, provider: str, model: str) -> bool:
        """Whether a model has entries of its own for some regions."""
        provider, model = self._meant(provider, model) or (provider, model)
        families = families_of(provider)
        return any(
            (family, name) in index._regional
            for index in self._layers()
            for name, _ in _names(families, model)
            for family in families
        )

    def _meant(self, provider: str, model: str) -> tuple[str, str] | None:
        """Return the provider and the model that a name of one's own stands for."""
        name = model.strip().lower()
        for index in self._layers():
            for family in (*families_of(provider), _ANY):
                if found := index._aliases.get((family, name)):
                    return found
        return None

    def _listed(self, provider: str, model: str, region: str | None) -> Match | None:
        """Return the entry for a name as it stands."""
        if region:
            place = region.strip().lower()
            if found := self._listed(provider, f"{place}/{model}", None):
                return Match(found.key, f"region {place}")
        families = families_of(provider)
        names = list(_names(families, model))
        folded = [Spelling(name.lower(), rule) for name, rule in names]
        layers = self._layers()
        exact = _first([index._exact for index in layers], families, names)
        return exact or _first([index._folded for index in layers], families, folded)

    def _layers(self) -> list[ModelIndex]:
        """This index, and whatever it lies over."""
        return [self, *(self._below._layers() if self._below else ())]


def _first(
    indexes: list[dict[tuple[str, str], str]],
    families: tuple[str, ...],
    names: list[Spelling],
) -> Match | None:
    """The first name that the first possible family has, in the first index."""
    for name, rule in names:
        for family in families:
            for index in indexes:
                key = index.get((family, name))
                if key is not None:
                    return Match(key, rule)
    return None


def _aliased(
    entries: Mapping[str, Mapping[str, object]], aliases: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """A name with a slash may be a provider's model, or have the slash in it."""
    for alias, meant in aliases.items():
        family, slash, rest = alias.strip().lower().partition("/")
        listed = entries.get(meant, {}).get("litellm_provider")
        provider, _, model = meant.partition("/")
        target = (listed, meant) if isinstance(listed, str) else (provider, model)
        yield (_ANY, alias.strip().lower()), target
        if slash:
            yield (family_of(family), rest), target


def _named(
    entries: Mapping[str, Mapping[str, object]],
) -> Iterator[tuple[str, str]]:
    for key, fields in entries.items():
        provider = fields.get("litellm_provider")
        if isinstance(provider, str) and key not in _NOT_MODELS:
            yield family_of(provider), key


def _own(key: str, family: str) -> str:
    """The model of a "provider/model" key of this family, else nothing."""
    prefix, _, model = key.partition("/")
    return model if family in families_of(prefix) else ""


def _names(families: tuple[str, ...], model: str) -> Iterator[Spelling]:
    """A model as it is called, then without its provider, then by further rules."""
    name = model.strip()
    yield Spelling(name)
    prefix, slash, rest = name.partition("/")
    if slash and not set(families).isdisjoint(families_of(prefix)):
        name = rest
    yield from spellings(families, name)
