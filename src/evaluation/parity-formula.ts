/**
 * The toy networks that samplers' fixtures write out as formulas, such as `x0(x, s) = x*0.25/(s^2+0.25) + 0.1*sin(3x)`:
 * numbers, the variables named on the left, + - * / ^, parentheses, functions, and a number before a letter or parenthesis
 * for a product. Each operation is rounded to float32, as the reference evaluates it.
 */
import { OrreryError } from "../errors.ts";

const f32 = Math.fround;

/** Takes the variables in the order in which the left side names them. */
export type Formula = (...values: number[]) => number;

const functions: Readonly<Record<string, (v: number) => number>> = { sin: Math.sin, cos: Math.cos, tan: Math.tan, tanh: Math.tanh, exp: Math.exp, log: Math.log, sqrt: Math.sqrt, abs: Math.abs };

/** Deeper nesting is no toy. */
const deepest = 64;

/** Reads `name(variables) = ...`; what follows a comma, a semicolon or "with" is a remark. Throws `bad_config`. */
export function parseFormula(text: string, name: string): Formula {
  const wrong = (what: string): OrreryError => new OrreryError("bad_config", `the formula "${text.slice(0, 200)}" cannot be read: ${what}; expected one such as "${name}(x, s) = x*0.25/(s^2+0.25)"`);
  const [, said, variableList, right] = /^\s*(\w+)\s*\(([\w\s,;]*)\)\s*=(.*?)(?:[,;]|\bwith\b|$)/s.exec(text) ?? [];
  if (said !== name || right === undefined) throw wrong(`it does not begin with "${name}(...) ="`);
  const variables = variableList!.split(/[,;]/).map((v) => v.trim());
  const tokens = right.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[a-z_]\w*|\*\*|\S/gi) ?? [];
  let at = 0;
  const take = (...wanted: string[]): string | undefined => (wanted.includes(tokens[at] ?? "") ? tokens[at++] : undefined);
  const deeper = (depth: number): number => {
    if (depth >= deepest) throw wrong("it is nested too deeply");
    return depth + 1;
  };

  const sum = (depth: number): Formula => {
    let left = product(depth);
    for (let sign = take("+", "-"); sign; sign = take("+", "-")) {
      const [a, b, minus] = [left, product(depth), sign === "-"];
      left = (...v) => f32(minus ? a(...v) - b(...v) : a(...v) + b(...v));
    }
    return left;
  };
  const product = (depth: number): Formula => {
    let left = signed(depth);
    for (;;) {
      const sign = take("*", "/") ?? (/^[a-z_(]/i.test(tokens[at] ?? "") ? "*" : undefined);
      if (!sign) return left;
      const [a, b] = [left, signed(depth)];
      left = (...v) => f32(sign === "/" ? a(...v) / b(...v) : a(...v) * b(...v));
    }
  };
  const signed = (depth: number): Formula => {
    if (take("+")) return signed(deeper(depth));
    if (!take("-")) return power(depth);
    const inner = signed(deeper(depth));
    return (...v) => -inner(...v);
  };
  const power = (depth: number): Formula => {
    const base = atom(depth);
    if (!take("^", "**")) return base;
    const exponent = signed(deeper(depth));
    return (...v) => f32(base(...v) ** exponent(...v));
  };
  const atom = (depth: number): Formula => {
    const token = tokens[at++];
    if (token === undefined) throw wrong("it ends too early");
    const variable = variables.indexOf(token);
    if (variable >= 0) return (...v) => v[variable]!;
    if (/^[\d.]/.test(token) && Number.isFinite(Number(token))) return () => f32(Number(token));
    const call = Object.hasOwn(functions, token) ? functions[token] : undefined;
    if (token !== "(" && !call) throw wrong(`"${token}" is not known`);
    if (call && !take("(")) throw wrong(`"${token}" needs parentheses`);
    const inner = sum(deeper(depth));
    if (!take(")")) throw wrong("a parenthesis is not closed");
    return call ? (...v) => f32(call(inner(...v))) : inner;
  };
  const formula = sum(0);
  if (at < tokens.length) throw wrong(`"${tokens[at]}" stands where it cannot`);
  return formula;
}
