import { chromium } from "playwright";
import { launchOptions } from "../../chromium.ts";

/** The title that a page gives itself in Chromium. Throws where its console tells of a warning or an error. */
export async function titleOf(url: string): Promise<string> {
  const browser = await chromium.launch(await launchOptions());
  try {
    const page = await browser.newPage();
    const said: string[] = [];
    page.on("console", (message) => {
      if (["warning", "error"].includes(message.type())) said.push(message.text());
    });
    page.on("pageerror", (error) => said.push(String(error)));
    await page.goto(url);
    await page.locator("title:not(:empty)").waitFor({ state: "attached", timeout: 120_000 });
    const title = await page.title();
    if (said.length > 0) throw new Error([title, ...said].join("\n"));
    return title;
  } finally {
    await browser.close();
  }
}
