// Opens a profile in speedscope, in headless Chromium, and tells what a person sees there, as one line of JSON.
//
// profile.mjs PROFILE SCREENSHOT
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [profile, screenshot] = process.argv.slice(2);
const viewer = fileURLToPath(import.meta.resolve("speedscope/dist/release/index.html"));
const browser = await chromium.launch({
  executablePath: process.env.COUNTERSIGN_CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("dialog", (dialog) => { faults.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(`file://${viewer}`);
  await page.setInputFiles("input[type=file]", profile);
  await page.getByText("Sandwich").waitFor();
  const title = await page.title();
  // The table of functions with their times.
  await page.getByText("Sandwich").click();
  await page.getByText("Symbol Name").waitFor();
  const functions = await page.locator("table tr").allInnerTexts();
  await page.screenshot({ path: screenshot });
  console.log(JSON.stringify({ faults, title, functions }));
} finally {
  await browser.close();
}
