import { checkAnywhere } from "./suite.js";

document.title = await checkAnywhere().catch(String);
