import fc, { type Arbitrary } from "fast-check";
import type { Draft } from "./op-suite.ts";

export const upTo = (most: number): Arbitrary<number> => fc.integer({ min: 1, max: most });
export const from0 = (most: number): Arbitrary<number> => fc.integer({ min: 0, max: most });
export const both = (each: Arbitrary<number>): Arbitrary<[number, number]> => fc.tuple(each, each);

/** [N, C, H, W] */
export const image: Arbitrary<[number, number, number, number]> = fc.tuple(upTo(3), upTo(7), upTo(9), upTo(9));

/** [N, C] */
export const rows: Arbitrary<[number, number]> = fc.tuple(upTo(4), upTo(33));

/** For ops whose only input is x. */
export const oneImage: Arbitrary<Draft> = image.map((x) => ({ shapes: { x } }));
export const oneRows: Arbitrary<Draft> = rows.map((x) => ({ shapes: { x } }));
export const imageOrRows: Arbitrary<Draft> = fc.oneof(oneImage, oneRows);
