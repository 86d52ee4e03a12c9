import { browserCache } from "../index.ts";

/** The part of a worker's scope that is used here. */
interface Scope {
  onmessage: ((event: { readonly data: string }) => void) | null;
  postMessage(text: string | undefined): void;
}

const scope = globalThis as typeof globalThis & Scope;

/** Answers with the text that the worker's cache has under a key. */
scope.onmessage = ({ data: key }) => {
  void browserCache()
    ?.read(key)
    .then((text) => scope.postMessage(text));
};
