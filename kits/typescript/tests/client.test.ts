import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, VoiceOps } from "../src/index.js";
import { type Answer, withServer } from "./scripted-server.js";

const retries = { attempts: 3, firstPauseMs: 1 };
const page = (ids: string[], more: object) =>
  ({ body: JSON.stringify({ items: ids.map((id) => ({ id })), total: 3, page_size: 200, ...more }) }) satisfies Answer;

test("a POST is sent again under the same idempotency key", async () => {
  const busy = { status: 503, headers: { "Retry-After": "0" } };
  await withServer([{ breaks: true }, busy, { status: 201, body: '{"id": "1"}' }], async (server, asked) => {
    const { api } = new VoiceOps({ server, key: "vo_1", retries });

    const { data } = await api.POST("/calls", { body: { agent_id: "a", to: "+12025550101" } });

    assert.equal(data?.id, "1");
    const keys = new Set(asked.map((request) => request.headers["idempotency-key"]));
    assert.deepEqual([asked.length, keys.size], [3, 1]);
    assert.match([...keys][0] as string, /^[0-9a-f-]{36}$/);
    assert.deepEqual(new Set(asked.map((request) => request.body)).size, 1);
    assert.equal(asked[0]?.headers.authorization, "Bearer vo_1");
  });
});

test("a key of the caller's own is kept, and no other method gets one", async () => {
  await withServer([{ status: 201 }, {}], async (server, asked) => {
    const { api } = new VoiceOps({ server, key: "k", retries });

    await api.POST("/agents/{id}/publish", {
      params: { path: { id: "1" }, header: { "Idempotency-Key": "order-1" } },
    });
    await api.GET("/calls");

    assert.deepEqual(
      asked.map((request) => request.headers["idempotency-key"]),
      ["order-1", undefined],
    );
  });
});

test("a refusal is not repeated, and says its code, its sentence and the request's id", async () => {
  const refusal = {
    status: 400,
    headers: { "Error-Code": "batch_already_running", "X-Request-ID": "r-1" },
    body: '{"detail": "Batch is already running"}',
  };
  await withServer([refusal], async (server, asked) => {
    const { api } = new VoiceOps({ server, key: "k", retries });

    const error = await api.POST("/batches/{id}/start", { params: { path: { id: "1" } } }).catch((reason) => reason);

    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.status, error.code, error.detail, error.requestId, asked.length],
      [400, "batch_already_running", "Batch is already running", "r-1", 1],
    );
  });
});

test("wrong fields are named in the message", async () => {
  const detail = [{ loc: ["body", "tools", 0, "url"], msg: "field required", type: "value_error.missing" }];
  const refusal = { status: 422, headers: { "Error-Code": "validation_failed" }, body: JSON.stringify({ detail }) };
  await withServer([refusal], async (server) => {
    const voiceops = new VoiceOps({ server, key: "k", retries });

    await assert.rejects(voiceops.results("1"), /422 validation_failed: body.tools.0.url: field required/);
  });
});

test("after the last attempt the answer of the server is thrown", async () => {
  const busy = { status: 503, headers: { "Error-Code": "database_busy" }, body: '{"detail": "The database is busy"}' };
  await withServer([busy, busy, busy, {}], async (server, asked) => {
    await assert.rejects(new VoiceOps({ server, key: "k", retries }).results("1"), /database_busy/);
    assert.equal(asked.length, 3);
  });
});

test("calls are walked by id, other lists page by page", async () => {
  const walk = [page(["1", "2"], { page: null, total_pages: 2 }), page([], { page: null, total_pages: 2 })];
  const pages = [page(["3"], { page: 1, total_pages: 2 }), page(["4"], { page: 2, total_pages: 2 })];
  await withServer([...walk, ...pages], async (server, asked) => {
    const voiceops = new VoiceOps({ server, key: "k", retries });
    const ids: string[] = [];

    for await (const call of voiceops.items("/calls", { query: { outcome: "busy" } })) ids.push(call.id);
    for await (const agent of voiceops.items("/agents")) ids.push(agent.id);

    assert.deepEqual(ids, ["1", "2", "3", "4"]);
    assert.deepEqual(
      asked.map((request) => request.url),
      [
        "/calls?page_size=200&outcome=busy&after_id=00000000-0000-0000-0000-000000000000",
        "/calls?page_size=200&outcome=busy&after_id=2",
        "/agents?page_size=200&page=1",
        "/agents?page_size=200&page=2",
      ],
    );
  });
});

test("progress goes on over a stream that breaks off, and ends with the batch", async () => {
  const event = (status: string) => `retry: 2000\ndata: ${JSON.stringify({ status })}\n\n`;
  const headers = { "Content-Type": "text/event-stream" };
  const streams = [
    { headers, body: event("running") + "data: {" },
    { headers, body: event("running") + event("completed") + event("completed") },
  ];
  await withServer(streams, async (server, asked) => {
    const seen: string[] = [];

    for await (const { status } of new VoiceOps({ server, key: "k", retries }).progress("1")) seen.push(status);

    assert.deepEqual([seen, asked.length], [["running", "running", "completed"], 2]);
    assert.equal(asked[0]?.headers.accept, "text/event-stream");
  });
});

test("a list is uploaded as a form, with objects as JSON", async () => {
  await withServer([{ status: 201, body: '{"id": "1"}' }], async (server, asked) => {
    const batch = await new VoiceOps({ server, key: "k", retries }).createBatch({
      name: "March",
      agent_id: "a",
      phone_number_id: "n",
      retry: { max_attempts: 2, delay_minutes: [30], outcomes: ["busy"] },
      file: new Blob(["Phone\n+12025550101\n"]),
      filename: "march.csv",
    });

    assert.equal(batch.id, "1");
    const body = asked[0]?.body ?? "";
    assert.match(body, /name="file"; filename="march.csv"/);
    assert.match(body, /name="retry"\r\n\r\n\{"max_attempts":2,"delay_minutes":\[30\],"outcomes":\["busy"\]\}/);
  });
});
