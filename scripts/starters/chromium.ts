import { type Browser, chromium, type Page } from "playwright";
import { launchOptions } from "../../chromium.ts";

export const open = async (): Promise<Browser> => chromium.launch(await launchOptions());

/** What the page's console and its uncaught errors say, but for what is only information. */
export function complaintsOf(page: Page): readonly string[] {
  const said: string[] = [];
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(String(error)));
  return said;
}
