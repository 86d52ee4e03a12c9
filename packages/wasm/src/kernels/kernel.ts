import type { I32, Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { ModuleBuilder, type Target } from "../encode/module.ts";

/** What a part of a kernel is given beside its operands, each an i32. */
const common = ["scratch", "images", "first", "end"] as const;

/**
 * A part of a kernel's work, done before the next part begins. Its tasks may be done in any order and by several
 * threads, each of which calls the function for a range of them.
 */
interface Phase {
  /** The exported function. Its parameters are the kernel's operands, and then scratch, images, first and end. */
  readonly function: string;
  /** The number of its first task; 0 where not given. */
  readonly first?: number;
  readonly tasks: number;
}

/** A kernel as plain data: what it is made for, and how its module is made. */
export interface Kernel {
  /** Unlike that of any other kernel that is not the same. */
  readonly name: string;
  /** Pointers: what is read, then what is written. */
  readonly operands: readonly string[];
  /** In their order, for so many images. */
  readonly phases: (images: number) => readonly Phase[];
  /** Bytes that its phases share, for so many images. */
  readonly scratch?: (images: number) => number;
  /** Multiply-adds, or numbers where it multiplies none, of an image: what a task takes is an equal share. */
  readonly work: number;
  /** The module, in the binary format. */
  emit(target: Target): Uint8Array<ArrayBuffer>;
}

/** The parameters of a kernel's function, by their names. */
export type Values<Operand extends string> = { readonly [N in Operand | (typeof common)[number]]: Local<"i32"> };

/** Defines and exports one function of a kernel. */
export function phase<Operand extends string>(
  module: ModuleBuilder,
  text: string,
  operands: readonly Operand[],
  define: (body: Body, values: Values<Operand>) => void,
): void {
  module.export(text, module.function([...operands, ...common], define));
}

interface PlainKernel<Operand extends string> {
  readonly name: string;
  readonly operands: readonly Operand[];
  readonly tasks: (images: number) => number;
  readonly work: number;
  /** Does one task. */
  readonly task: (body: Body, task: I32, values: Values<Operand>) => void;
}

/** A kernel of one phase whose tasks are done one by one. */
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
    emit(target) {
      const module = new ModuleBuilder(target);
      phase(module, "run", operands, (body, values) =>
        body.range(values.first, values.end, (index) => task(body, index, values)),
      );
      return module.encode();
    },
  };
}
