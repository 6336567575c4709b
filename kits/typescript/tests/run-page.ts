// Runs the examples of docs/typescript.md, which check.sh has written into files, in the workspace of whole-job.
import { VoiceOps } from "../src/index.js";
import { callList } from "../examples/page-1.js";
import { receive } from "../examples/page-2.js";

const { SERVER: server = "", KEY: key = "" } = process.env;
const voiceops = new VoiceOps({ server, key });

async function firstId(path: "/agents" | "/phone-numbers"): Promise<string> {
  for await (const item of voiceops.items(path)) return item.id;
  throw new Error(`${path} is empty`);
}

const list = new Blob(["Phone,Name\n+12025550103,Hal\n"]);
const results = await callList(server, key, list, await firstId("/agents"), await firstId("/phone-numbers"));
const [phone, , , outcome] = results.split("\r\n")[1]?.split(",") ?? [];
console.log(`the page: ${phone} ${outcome}`);

const unsigned = new Request("https://example.com", { method: "POST", body: "{}" });
console.log(`the page: ${(await receive(unsigned, "whsec_MDEyMw==")).status}`);
