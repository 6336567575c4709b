// The whole job: a number, an agent, a list that is previewed, called, followed and read.
//
//     SERVER=http://127.0.0.1:8000 KEY=vo_… node dist/examples/whole-job.js
import { ApiError, VoiceOps } from "../src/index.js";

const { SERVER: server = "http://127.0.0.1:8000", KEY: key = "" } = process.env;
const NUMBER = "+12025550198";
const LIST = `Phone,Name,Day
+12025550101,Ada,Monday
+12025550165,Ben,Monday
+12025550172,Cleo,Tuesday
12345,Gus,Tuesday
`;

const voiceops = new VoiceOps({ server, key });
const { api } = voiceops;

// A number to call from. The sandbox takes any; a carrier's has its address and credentials.
async function findOrRegisterNumber(): Promise<string> {
  for await (const number of voiceops.items("/phone-numbers")) {
    if (number.phone_number === NUMBER) return number.id;
  }
  const { data } = await api.POST("/phone-numbers", {
    body: {
      phone_number: NUMBER,
      provider: "sip",
      sip: { address: "sip.example.com" },
      calls_per_second: 20,
      max_concurrent_calls: 50,
    },
  });
  return data!.id;
}

// An agent is a draft until it is published; calls use the published version.
async function createAgent(): Promise<string> {
  const { data } = await api.POST("/agents", {
    body: {
      name: "Reminder",
      system_prompt: "You remind {{name}} of the appointment on {{day}}.",
      first_message: "Hello {{name}}, I am calling about {{day}}.",
      variables: [
        { name: "name", required: true },
        { name: "day", default: "tomorrow" },
      ],
    },
  });
  const path = { id: data!.id };
  await api.POST("/agents/{id}/publish", { params: { path } });
  return path.id;
}

// Sentences are for people; programs compare codes.
async function explainMistake(agent: string): Promise<void> {
  try {
    await api.POST("/calls", { body: { agent_id: agent, to: "+12025550101" } });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "missing_variables") throw error;
    console.log("refused:", error.detail);
  }
}

async function main(): Promise<void> {
  const [number, agent] = [await findOrRegisterNumber(), await createAgent()];
  await explainMistake(agent);

  const file = new Blob([LIST], { type: "text/csv" });
  const batch = await voiceops.createBatch({
    name: "March",
    agent_id: agent,
    phone_number_id: number,
    start: "now",
    retry: { max_attempts: 1, delay_minutes: [30], outcomes: ["busy", "no_answer"] },
    file,
  });

  for await (const progress of voiceops.progress(batch.id)) {
    console.log(progress.status, `${progress.counts.completed} of ${progress.counts.total} answered`);
  }

  const params = { id: batch.id };
  for await (const recipient of voiceops.items("/batches/{id}/recipients", { params })) {
    console.log(recipient.phone_number, recipient.outcome);
  }
  for await (const row of voiceops.items("/batches/{id}/rejected", { params })) {
    console.log("row", row.row_number, row.error_code);
  }
  for await (const call of voiceops.items("/calls", { query: { batch_id: batch.id, outcome: "answered" } })) {
    const { data } = await api.GET("/calls/{id}/transcript", { params: { path: { id: call.id } } });
    console.log(data!.turns[0]?.text);
  }
  console.log((await voiceops.results(batch.id)).split("\r\n")[0]);
}

await main();
