import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { verifyWebhook, WebhookError } from "../src/index.js";

const SECRET = `whsec_${Buffer.from("a secret of the endpoint").toString("base64")}`;
const BODY = '{"type": "batch.completed", "timestamp": "2027-03-01T09:00:00Z", "data": {"id": "1"}}';
const NOW = new Date("2027-03-01T09:00:01Z");

function sign(secret: string, body = BODY, at = NOW): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signature = createHmac("sha256", key).update(`msg_1.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

test("a webhook that the secret signed is returned with its type", async () => {
  const event = await verifyWebhook(SECRET, BODY, new Headers(sign(SECRET)), NOW);

  assert.equal(event.type, "batch.completed");
  if (event.type === "batch.completed") assert.equal(event.data.id, "1"); // typed as a batch
});

test("one of several signatures is enough, while a secret is replaced", async () => {
  const headers = sign(SECRET);
  headers["webhook-signature"] = `v1,${Buffer.from("another").toString("base64")} ${headers["webhook-signature"]}`;

  assert.equal((await verifyWebhook(SECRET, BODY, headers, NOW)).type, "batch.completed");
});

for (const [what, headers, body] of [
  ["another secret", sign(`whsec_${Buffer.from("not ours").toString("base64")}`), BODY],
  ["another body", sign(SECRET), BODY.replace("1", "2")],
  ["an old signature", sign(SECRET, BODY, new Date(NOW.getTime() - 301_000)), BODY],
  ["a time that is none", { ...sign(SECRET), "webhook-timestamp": "soon" }, BODY],
  ["no signature", { "webhook-id": "msg_1", "webhook-timestamp": "1" }, BODY],
  ["a signature that is no base64", { ...sign(SECRET), "webhook-signature": "v1,?" }, BODY],
] as const) {
  test(`${what} is refused`, async () => {
    await assert.rejects(verifyWebhook(SECRET, body, headers, NOW), WebhookError);
  });
}
