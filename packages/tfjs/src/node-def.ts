import type { Shape } from "@residual/core";

/** A node of a GraphDef as tfjs reads it: protobuf's JSON, with integers as strings and strings as base64. */
export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr: { readonly [name: string]: AttrValue };
}

type AttrValue =
  | { readonly b: boolean }
  | { readonly f: number }
  | { readonly i: string }
  | { readonly s: string }
  | { readonly type: DataType }
  | { readonly shape: TensorShape }
  | { readonly list: { readonly i: readonly string[] } | { readonly s: readonly string[] } }
  | { readonly tensor: { readonly dtype: DataType; readonly tensorShape: TensorShape } };

type DataType = "DT_FLOAT" | "DT_INT32";

export interface TensorShape {
  readonly dim?: readonly { readonly size: string }[];
}

/** Numbers that are inputs in TensorFlow and attributes in Residual: axes, paddings, sizes. */
export interface ParameterValue {
  readonly shape: readonly number[];
  readonly data: Int32Array | Float32Array;
}

export function boolean(value: boolean): AttrValue {
  return { b: value };
}

export function float(value: number): AttrValue {
  return { f: value };
}

export function int(value: number): AttrValue {
  return { i: String(value) };
}

export function ints(values: readonly number[]): AttrValue {
  return { list: { i: values.map(String) } };
}

export function string(value: string): AttrValue {
  return { s: base64(value) };
}

export function strings(values: readonly string[]): AttrValue {
  return { list: { s: values.map(base64) } };
}

export function type(value: DataType): AttrValue {
  return { type: value };
}

export function shape(value: Shape): AttrValue {
  return { shape: tensorShape(value) };
}

/** The dtype and shape of a Const. Its numbers are in the shards. */
export function tensor(dtype: DataType, shape: Shape): AttrValue {
  return { tensor: { dtype, tensorShape: tensorShape(shape) } };
}

/** −1 stands for the open batch. */
export function tensorShape(shape: Shape): TensorShape {
  return { dim: shape.map((size) => ({ size: String(size === "N" ? -1 : size) })) };
}

export function intScalar(value: number): ParameterValue {
  return { shape: [], data: Int32Array.of(value) };
}

export function floatScalar(value: number): ParameterValue {
  return { shape: [], data: Float32Array.of(value) };
}

export function intVector(values: readonly number[]): ParameterValue {
  return { shape: [values.length], data: Int32Array.from(values) };
}

export function intPairs(values: readonly (readonly [number, number])[]): ParameterValue {
  return { shape: [values.length, 2], data: Int32Array.from(values.flat()) };
}

function base64(value: string): string {
  return globalThis.btoa(value);
}
