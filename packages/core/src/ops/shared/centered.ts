import type { AnyNode, Value } from "../../ir/value.ts";
import { add } from "../add.ts";
import { affine } from "../affine.ts";
import { expand } from "../expand.ts";
import { asImage } from "./per-channel.ts";

/** x − mean, channel by channel. */
export function centered(x: Value, mean: Value): AnyNode {
  const [, ...sizes] = x.shape as readonly number[];
  return add({
    a: x,
    b: expand({ x: asImage(affine({ x: mean }, { factor: -1 })) }, { shape: [closed(x), ...sizes] }),
  });
}

const closed = ({ shape: [n] }: Value): number => n as number;
