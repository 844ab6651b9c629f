// Opens the page of `countersign serve` in headless Chromium and uses it as a person would. The test that starts this sends the
// requests: it reads `open` and answers `sent` once they are answered. What is seen goes to standard output as one line of JSON.
//
// page.mjs URL TOKEN SCREENSHOTS
import { createInterface } from "node:readline";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const [url, token, folder] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = async (word) => {
  const { value } = await lines.next();
  if (value !== word) throw new Error(`expected \`${word}\`, found \`${value}\``);
};

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.COUNTERSIGN_CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme: "light" });
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("dialog", (dialog) => { faults.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(url);
  await page.getByText("live", { exact: true }).last().waitFor();
  const empty = await page.locator("#rows tr").count();
  console.log("open");
  await told("sent");

  const seen = { empty, faults };
  const rows = page.locator("#rows tr");
  await rows.nth(2).waitFor();
  seen.rows = await rows.allInnerTexts();

  await page.fill("#filter", "token.missing");
  seen.filtered = await rows.allInnerTexts();
  await page.fill("#filter", "-token.missing");
  seen.without = await rows.count();
  await page.fill("#filter", "");
  await page.click('[data-show="deny"]');
  seen.refused = await rows.count();
  await page.click('[data-show="all"]');

  // What a stranger sends is text, wherever it stands.
  await rows.filter({ hasText: "onerror" }).click();
  await page.locator("#detail h2").waitFor();
  seen.hostile = await page.locator("#detail").innerText();
  seen.elements = await page.evaluate(() => document.querySelectorAll("img, iframe, object, svg, #rows script, #detail script").length);
  seen.hacked = await page.evaluate(() => window.hacked === undefined);

  // A credential never reaches the page, and yet serves for a replay.
  await rows.filter({ hasText: "allow" }).first().click();
  await page.getByText("(secret,").first().waitFor();
  seen.detail = await page.locator("#detail").innerText();
  seen.leaked = (await page.content()).includes(token) || (await page.content()).includes(token.split(".")[1]);
  await page.fill("#replay-path", "/v1/tenants/globex/transfers/t-1001/score");
  await page.click("#replay button[type=submit]");
  await page.locator("#replayed").waitFor();
  seen.replayed = await page.locator("#replayed").innerText();
  seen.before = await page.locator(".versus > div").first().innerText();
  await rows.nth(3).waitFor();

  await page.click("#pause");
  console.log("paused");
  await told("more");
  await page.getByText("go on (1 new)").waitFor();
  seen.paused = await rows.count();
  await page.click("#pause");
  await rows.nth(4).waitFor();
  seen.resumed = await rows.count();
  await page.screenshot({ path: `${folder}/page-light.png` });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${folder}/page-dark.png` });

  await page.click("#metrics");
  await page.locator("#detail").getByText("countersign.").first().waitFor();
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
