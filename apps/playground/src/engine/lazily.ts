import type { WorkOptions } from "@residual/core";
import type { Methods } from "./rpc.ts";

/** Methods whose code is fetched when one of them is first called. `names` lists them all. */
export function lazily<Of extends Methods>(
  load: () => Promise<Of>,
  names: { readonly [Name in keyof Of & string]: true },
): Of {
  const calling = (name: string) => async (argument: unknown, work: WorkOptions) => {
    const methods: Methods = await load();
    return methods[name]!(argument, work);
  };
  return Object.fromEntries(Object.keys(names).map((name) => [name, calling(name)])) as Of;
}
