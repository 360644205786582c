/** Common subexpressions: nodes with the same op, attributes and inputs become one. */
import type { Attrs, Tensor } from "../graph.ts";
import { mapGraph } from "./map.ts";

/** Big constants are told apart by identity; reading them all would cost more than it saves. */
const comparable = 256;

function attributeKey(attrs: Attrs): string {
  return JSON.stringify(attrs, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (!ArrayBuffer.isView(value)) return value;
    const list = value as unknown as ArrayLike<number | bigint>;
    if (list.length <= comparable) return Array.from(list, String);
    return `array ${identity(value)}`;
  });
}

const identities = new WeakMap<object, number>();
let nextIdentity = 0;
function identity(value: object): number {
  let id = identities.get(value);
  if (id === undefined) identities.set(value, (id = nextIdentity++));
  return id;
}

export function mergeCommon(outputs: readonly Tensor[]): Tensor[] {
  const known = new Map<string, Tensor>();
  return mapGraph(outputs, (node) => {
    const key = `${node.op.name} ${node.inputs.map((i) => i.id).join()} ${attributeKey(node.attrs)}`;
    const before = known.get(key);
    if (before) return before;
    known.set(key, node);
    return node;
  });
}
