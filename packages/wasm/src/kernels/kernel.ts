import type { I32, Local } from "../encode/expression.ts";
import type { Body, WasmFunction } from "../encode/function.ts";
import { ModuleBuilder, type Target } from "../encode/module.ts";

/** The parameters of a phase besides its operands, each an i32. */
const common = ["scratch", "images", "first", "end"] as const;

/**
 * A phase of a kernel's work, finished before the next phase begins. Its tasks may be done in any order and by several
 * threads, each of which calls the function for a range of tasks.
 */
interface Phase {
  /** The exported function. Its parameters are the kernel's operands, then scratch, images, first and end. */
  readonly function: string;
  /** The number of its first task; default 0. */
  readonly first?: number;
  readonly tasks: number;
}

/** A kernel as plain data: its purpose, and how its functions are made. */
export interface Kernel {
  /** A unique name: equal names mean equal kernels. */
  readonly name: string;
  /** Pointers to inputs, then to the output. */
  readonly operands: readonly string[];
  /** The phases in order, for a number of images. */
  readonly phases: (images: number) => readonly Phase[];
  /** Bytes that its phases share, for a number of images. */
  readonly scratch?: (images: number) => number;
  /** Whether a task has the scratch memory to itself, so that each thread needs some. */
  readonly isScratchPrivate?: boolean;
  /** Multiply-adds per image, or numbers if it does not multiply. Tasks have equal shares. */
  readonly work: number;
  /** Adds its functions to a module, and exports one for each phase. */
  define(module: ModuleBuilder): void;
}

/** A module with one kernel, in the binary format. */
export function encodeKernel(kernel: Kernel, target: Target): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(target);
  kernel.define(module);
  return module.encode();
}

/** The parameters of a kernel's function, by name. */
export type Values<Operand extends string> = { readonly [N in Operand | (typeof common)[number]]: Local<"i32"> };

/** Defines and exports one function of a kernel. */
export function phase<Operand extends string>(
  module: ModuleBuilder,
  text: string,
  operands: readonly Operand[],
  define: (body: Body, values: Values<Operand>) => void,
): PhaseFunction<Operand> {
  const made = module.function([...operands, ...common], define);
  module.export(text, made);
  return made;
}

/** A function of a kernel, which its other functions may call. */
export type PhaseFunction<Operand extends string> = WasmFunction<Operand | (typeof common)[number]>;

interface PlainKernel<Operand extends string> {
  readonly name: string;
  readonly operands: readonly Operand[];
  readonly tasks: (images: number) => number;
  readonly work: number;
  /** Does one task. */
  readonly task: (body: Body, task: I32, values: Values<Operand>) => void;
}

/** A kernel of one phase, task by task. */
export function plainKernel<Operand extends string>({
  name,
  operands,
  tasks,
  work,
  task,
}: PlainKernel<Operand>): Kernel {
  return {
    name,
    operands,
    work,
    phases: (images) => [{ function: "run", tasks: tasks(images) }],
    define(module) {
      phase(module, "run", operands, (body, values) =>
        body.range(values.first, values.end, (index) => task(body, index, values)),
      );
    },
  };
}
