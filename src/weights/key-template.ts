/**
 * Names of tensors that follow a pattern, translated in both directions. A rule is a pair of templates for whole names:
 * `{n}` stands for a number, `{~n}` for the same number counted from the other end, `{rest}` for `weight`, `bias` and
 * whatever else follows. Whole names are matched, so no rule can touch a part of a name by accident and order is irrelevant.
 */

export type KeyRule = readonly [original: string, translated: string];

export interface KeyMatcher {
  /** The translated name, or undefined when no rule covers it. `levels` is how many numbers `{~n}` counts among. */
  translate(name: string, levels: number): string | undefined;
}

/** Every combination of the parts of two rule lists: `a.` -> `b.` with `x` -> `y` gives `a.x` -> `b.y`. */
export function nest(outer: readonly KeyRule[], inner: readonly KeyRule[]): KeyRule[] {
  return outer.flatMap(([from, to]) => inner.map(([x, y]): KeyRule => [`${from}.${x}`, `${to}.${y}`]));
}

export const reversed = (rules: readonly KeyRule[]): KeyRule[] => rules.map(([from, to]) => [to, from]);

export function compileRules(rules: readonly KeyRule[]): KeyMatcher {
  const compiled = rules.map(([from, to]) => ({ pattern: pattern(from), to }));
  return {
    translate(name, levels) {
      for (const { pattern: p, to } of compiled) {
        const match = p.exec(name);
        if (!match) continue;
        return to.replace(/\{(~?)(\w+)\}/g, (_, mirror: string, variable: string) => {
          const value = match.groups![variable]!;
          // A number is mirrored once, whichever of the two templates asks for it.
          return mirror ? String(levels - 1 - Number(value)) : value;
        });
      }
      return undefined;
    },
  };
}

/** In what is matched `{~n}` is a number like any other; only what is produced counts backwards. */
function pattern(template: string): RegExp {
  const source = template
    .replace(/[.*+?^$()|[\]\\]/g, "\\$&")
    .replace(/\{~?(\w+)\}/g, (_, variable: string) => (variable === "rest" ? "(?<rest>[^.].*)" : `(?<${variable}>0|[1-9][0-9]{0,5})`));
  return new RegExp(`^${source}$`);
}
