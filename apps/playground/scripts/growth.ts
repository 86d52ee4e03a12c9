import { chromium } from "playwright";
import { preview } from "vite";
import { launchOptions } from "../../../chromium.ts";
import { memoryOf, watchGrowth } from "../tests/growth.ts";

// The memory of the page's process after 50 pictures in a row and after 20 changes of the network.
// Run: node scripts/growth.ts
