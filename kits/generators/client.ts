// A client made with hey-api: uploads a list, follows it, reads its results.
import { openAsBlob } from "node:fs";
import { createClient, createConfig } from "./hey_api/client/index.js";
import { batchesCreate, batchesGet, batchesRecipientsList } from "./hey_api/sdk.gen.js";

const [url, key, agent, number, list] = process.argv.slice(2) as [string, string, string, string, string];
const client = createClient(createConfig({ baseUrl: url, headers: { Authorization: `Bearer ${key}` }, throwOnError: true }));

const created = await batchesCreate({
  client,
  throwOnError: true,
  body: { name: "hey-api", agent_id: agent, phone_number_id: number, start: "now", file: await openAsBlob(list) },
});
const path = { id: created.data.id };
for (;;) {
  const batch = await batchesGet({ client, throwOnError: true, path });
  if (["completed", "stopped", "failed"].includes(batch.data.status)) break;
  await new Promise((resolve) => setTimeout(resolve, 300));
}
const recipients = await batchesRecipientsList({ client, throwOnError: true, path });
for (const each of recipients.data.items) console.log(each.phone_number, each.outcome);
