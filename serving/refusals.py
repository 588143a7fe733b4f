"""The one sentence that says why a body is refused."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ValidationError

from serving.schemas import A_COUNT, AN_ID, MAX_BATCH, MAX_FILTERS, RecommendRequest
from serving.state.events import MAX_HISTORY

REQUIREMENTS = {
    "history": f"history must be a list of at most {MAX_HISTORY:,} item ids",
    "user_id": f"user_id must be {AN_ID}",
    "k": f"k must be {A_COUNT}",
    "exclude_seen": "exclude_seen must be true or false",
    "exclude": f"exclude must be a list of at most {MAX_HISTORY:,} item ids",
    "filters": f"filters must be an object of at most {MAX_FILTERS} fields of the catalogue",
    "explain": "explain must be true or false",
    "queries": f"queries must be a list of 1 to {MAX_BATCH} queries",
}
MOST_NAMED = 5  # unknown fields of one body: a sentence is for people to read
NO_OBJECT = "The body must be a JSON object."


def refusal(error: ValidationError, schema: type[BaseModel]) -> tuple[int, str]:
    """The HTTP status and the sentence for a body that is none of `schema`."""
    problems = error.errors(include_url=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        return 400, f"The body is not valid JSON: {problems[0]['ctx']['error']}."
    unknown = [p["loc"] for p in problems if p["type"] == "extra_forbidden"]
    if unknown:
        query, _ = _query(unknown[0][:-1])
        of = RecommendRequest if query else schema
        names = ", ".join(f'"{str(loc[-1])[:50]}"' for loc in unknown[:MOST_NAMED])
        return 422, f"{query}Unknown field {names}: the fields are {', '.join(of.model_fields)}."
    query, loc = _query(problems[0]["loc"])
    return 422, query + _sentence(problems[0]["type"], problems[0]["msg"], loc)


def refusal_of_list(
    error: ValidationError,
    name: str,
    of: str,
    requirements: Mapping[str, str],
    say: Callable[[str, str, str, str], str],
) -> tuple[int, str]:
    """The same for a body whose one field `name` is a list `of` objects with the fields in `requirements`.

    `say` words what is wrong with a field of one: the kind of problem, its message, which object, the field.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    kind, place = first["type"], first["loc"]
    if kind == "json_invalid":
        return 400, f"The body is not valid JSON: {first['ctx']['error']}."
    if not place:
        return 422, NO_OBJECT
    if kind == "extra_forbidden":
        where = f" in {name}[{place[1]}]" if len(place) > 1 else ""
        there = ", ".join(requirements) if where else name
        return 422, f'Unknown field "{str(place[-1])[:50]}"{where}: there is only {there}.'
    if len(place) == 1:
        return 422, f"{name} must be a list of {of}."
    if len(place) == 2:
        return 422, f"{name}[{place[1]}] must be a JSON object."
    return 422, say(kind, first["msg"], f"{name}[{place[1]}]", str(place[2]))


def _sentence(kind: str, message: str, loc: Sequence[int | str]) -> str:
    if kind == "nobody":
        return message
    if not loc:
        return NO_OBJECT
    field, *within = loc
    if kind == "missing":
        return f"The field {field} is missing: {REQUIREMENTS[str(field)]}."
    if kind == "string_pattern_mismatch":
        place = f"[{within[0]}]" if within and isinstance(within[0], int) else ""
        return f"{field}{place} must not hold a NUL character."
    if field in ("history", "exclude") and within:
        return f"{field}[{within[0]}] must be an item id: {AN_ID}."
    return f"{REQUIREMENTS[str(field)]}."


def _query(loc: Sequence[int | str]) -> tuple[str, Sequence[int | str]]:
    """Which query of a batch a problem is in, in words, and where it is within the query."""
    if loc[:1] == ("queries",) and len(loc) > 1:
        return f"queries[{loc[1]}]: ", loc[2:]
    return "", loc
