// A client as a developer would write it: every path, body and field is checked by the compiler.
import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

export async function run(server: string, key: string, agent: string, number: string): Promise<string[]> {
  const api = createClient<paths>({ baseUrl: server, headers: { Authorization: `Bearer ${key}` } });
  const file = "phone\n+12025550100\n";
  const created = await api.POST("/batches", {
    headers: { "Content-Type": "multipart/form-data" },
    body: { name: "March", agent_id: agent, phone_number_id: number, start: "now", file },
    bodySerializer: (body) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(body)) {
        form.set(name, name === "file" ? new File([String(value)], "list.csv") : String(value));
      }
      return form;
    },
  });
  if (created.error !== undefined) throw new Error(JSON.stringify(created.error.detail));

  const path = { id: created.data.id };
  for (;;) {
    const batch = await api.GET("/batches/{id}", { params: { path } });
    if (batch.error !== undefined) throw new Error(JSON.stringify(batch.error.detail));
    if (["completed", "stopped", "failed"].includes(batch.data.status)) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const recipients = await api.GET("/batches/{id}/recipients", { params: { path } });
  if (recipients.error !== undefined) throw new Error(JSON.stringify(recipients.error.detail));
  return recipients.data.items.map((each) => `${each.phone_number} ${each.outcome ?? "none"}`);
}
