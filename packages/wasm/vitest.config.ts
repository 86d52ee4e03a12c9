import { mergeConfig } from "vitest/config";
import base from "../../vitest.base.ts";
import browser from "../../vitest.browser.ts";

/** Pages share memory with their threads only where they are served with these. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** The tests in Chromium once more, in such a page. */
const isolated = browser.test!.projects!.flatMap((project) => {
  if (typeof project !== "object" || !("test" in project) || !project.test?.browser) return [];
  const instances = project.test.browser.instances!.map((instance) => ({ ...instance, name: "isolated" }));
  return [
    {
      ...project,
      server: { headers },
      test: { ...project.test, name: "isolated", browser: { ...project.test.browser, instances } },
    },
  ];
});

export default mergeConfig(mergeConfig(base, browser), { test: { projects: isolated } });
