"""Generates docs/routing.md from the shipped table: ``python -m pipeline.routing.document [--check]``."""

from __future__ import annotations

import sys

from pipeline.registry.markdown import fields, main, table
from pipeline.routing.health import BreakerRule
from pipeline.routing.learned import Learning
from pipeline.routing.load import load_table
from pipeline.routing.rules import Rule, Span, Then, When, Which
from pipeline.routing.stage import Stage
from pipeline.routing.switching import Outage, Softening, Switching
from pipeline.routing.table import Bounds, RoutingTable
from pipeline.storyboard.schema import ContentClass, Tier

PAGE = "routing.md"

_OVERLAY = """## Your own table

`DAILIES_ROUTING` names a file (or a folder of files) that is laid over the shipped table. Mappings merge,
lists replace:

```yaml
format: 1
version: "2026-11-21"
default:
  standard: [acme/one, acme/two]
classes:
  product:
    premium: [acme/studio]
```

Every model named has to stand in the registry: see [models.md](models.md).

A running fleet reads the file again when it changes, before the next take: adding, swapping or removing a
model or a rule needs no code and no restart.

## Rules

Rules change what the rankings say for some shots. All that hold apply, in the order in which they stand; the
first that changes the tier counts, and is asked before the others. A condition on what nobody knows (money or
a deadline that is not limited) does not hold. `dailies route` and every take name the rules that moved or
refused a model.

```yaml
rules:
  - name: talking-faces
    why: lips have to move with the words
    when: {dialogue: {min: 1}, characters: {min: 1}}
    then: {require: {can: [audio]}, prefer: {models: [acme/studio]}}
  - name: fast-action
    when: {stage: [final], tier: [standard], motion: [action]}
    then: {tier: premium}
  - name: end-of-the-money
    when: {budget_left_usd: {max: 20}}
    then: {max_usd_per_second: "0.10", avoid: {models: ["dear/*"]}}
```

## Which take goes to which model

Each take is chosen anew from what became of the takes before it, with today's table, prices and caps:

- rejected by the gate `switching.rejections` times, or failed `switching.failures` times: the next model of the
  chain; when the tier has nothing left and `switching.escalate` names another tier, its models;
- refused by a moderation: what `switching.refused` says, in its order: `next-model`, or `rephrase`: the same
  model with milder words. `switching.soften` says which words become which and what sentence stands around
  them; it changes the shot's own prompt before the storyboard's template is filled, always in the same way,
  and the take's notes say what was changed;
- the provider is down: the shot waits for the best model if that may be tried again within
  `switching.outage.wait_s`, else it falls back; when every model is down the best is waited for, with the reason
  in `dailies status`, and the shot does not fail.

A model that was left is not returned to, a shot tries at most `chain_length` models of a tier, and its
attempts and caps hold as ever. If all were left and attempts remain, the last goes on. The take keeps which
model of the chain it is (`routing.choice.position`) and why the earlier ones were left.

## Health

A circuit breaker for each model follows from its last jobs; none is kept anywhere. Only outages count: jobs that
the provider failed, lost, never accepted or did not end in time, an account without funds, a model that is gone.
Refusals and rejections never do. A breaker opens as `breaker` says, cools down (twice as long after each failed
probe, and never for two models alike), then lets one job at a time find out. While an engine accepts no create
calls at all, all its models are left alone until it asks to be tried again.

## Learned routing

With `strategy: learned` the models that the table and its rules allow are put in the order of the expected true
cost of the shot: price, times the chance of a rejection, and the price of a shot that fails
(`learned.failed_shot_usd`) for the attempts that are left. How often a model is accepted for a content class is
learned from verdicts, newer ones counting more, and is uncertain: each take draws from what is known, from its
own intent, so that a replay draws the same. Outages and refusals are no rejections. `prefer` and `avoid` then
only decide between equals.
"""


def page(shipped: RoutingTable) -> str:
    """Return the page."""
    rules = [f"- A **{stage}** cut uses {_tier_of(shipped, stage)}." for stage in Stage]
    bounds = shipped.bounds
    classes = [("any other", shipped.default), *((str(name), row) for name, row in shipped.classes.items())]
    rows = [
        (
            name,
            str(tier),
            ", ".join(f"`{model}`" for model in row.get(tier, ())) or "none: add one in an overlay",
        )
        for name, row in classes
        for tier in Tier
        if name == "any other" or tier in row
    ]
    return f"""<!-- Generated by python -m pipeline.routing.document; do not edit. -->
# Routing

Which model serves which shot. `dailies route FILE` explains every choice for a storyboard; every take
keeps the version and the hash of the table that chose its model.

Version of the shipped table: {shipped.version}.

## How a model is chosen

1. The stage says which tier is used.
{chr(10).join("   " + rule for rule in rules)}
2. The content class ({", ".join(ContentClass)}) and the tier name the models, best first. A model that the
   shot pins is the only one, whatever its tier.
3. A model is refused, with the reason, if the shot denies it or does not allow it; if it is retired (its
   successor is named) or not yet released; if its engine is not configured (the setting is named); if it
   can't do the shot's mode, length or picture; if it has no price for today; if one take could cost more
   than is left for the shot.
4. The first that remains is tried first, the next ones are its fallbacks: at most {shipped.chain_length}
   models in all.
5. If none remains, the work is refused before it starts. No shot ever falls to a lower tier by itself.

A shot that is shorter than a model's clips is cut from a longer one, which is what is paid for. A model
without the picture's aspect ratio generates the nearest, and a crop is planned, if at least
{bounds.least_picture_kept:.0%} of the picture remains; a smaller picture is enlarged at most
{bounds.largest_upscale:g} times.

In a preview, a pin or an allow list that names no draft model is meant for the final cut and set aside. A
deny list always holds.

## The table

{table(("content class", "tier", "models, best first"), rows)}

{_rules(shipped)}

## What a quote assumes

The share of takes that are accepted. These are assumptions, not measurements.

{table(("tier", "accepted"), [(str(t), f"{a:.0%}") for t, a in shipped.acceptance.items()])}

The expected cost counts the attempts that follow from it; the worst case counts every attempt of every
candidate at the dearest model of the chain, bounded by the shot's cost cap. Work is refused if the expected
cost is beyond the budget; the worst case is held below the budget while the work goes on, by reserving
before each take.

{_OVERLAY}
## Fields

### The table

{fields(RoutingTable)}

### `rules`

{fields(Rule)}

### `rules.when`

{fields(When)}

Spans such as `{{min: 2}}`:

{fields(Span)}

### `rules.then`

{fields(Then)}

`prefer`, `avoid`, `require` and `exclude` name models:

{fields(Which)}

### `switching`

{fields(Switching)}

### `switching.soften`

{fields(Softening)}

### `switching.outage`

{fields(Outage)}

### `breaker`

{fields(BreakerRule)}

### `learned`

{fields(Learning)}

### `bounds`

{fields(Bounds)}
"""


def _rules(shipped: RoutingTable) -> str:
    if not shipped.rules:
        return "The shipped table has no rules: what they may say is below."
    return table(("rule", "why", "when", "then"), map(_rule, shipped.rules))


def _rule(rule: Rule) -> tuple[str, str, str, str]:
    when = rule.when.model_dump_json(exclude_unset=True)
    then = rule.then.model_dump_json(exclude_unset=True)
    return rule.name, rule.why, f"`{when}`", f"`{then}`"


def _tier_of(shipped: RoutingTable, stage: Stage) -> str:
    rule = shipped.stages.get(stage)
    return f"the {rule.tier} tier for every shot" if rule and rule.tier else "each shot's own tier"


if __name__ == "__main__":
    sys.exit(main(PAGE, page(load_table()), sys.argv[1:]))
