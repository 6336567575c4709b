// The client: every operation of the API, typed (`api`), and the few things that take more than one request.
import createClient, { type Client } from "openapi-fetch";

import { ApiError } from "./errors.js";
import { type Retries, retryingFetch } from "./retries.js";
import type { paths } from "./schema.js";
import type { Batch, ItemOf, ListPath, NewBatch, Progress } from "./types.js";

export interface Options {
  server: string;
  /** An API key (`vo_…`), or the access token of a login. */
  key: string;
  /** With a login: the workspace to use instead of the user's default one. */
  workspace?: string;
  retries?: Partial<Retries>;
  fetch?: typeof fetch;
}

type Values = Record<string, string | number | boolean | undefined>;

const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const PAGE_SIZE = 200;
const FINAL_STATUSES: readonly string[] = ["completed", "stopped", "failed"];
const RECONNECT_MS = 2000;

export class VoiceOps {
  /** `api.GET("/calls/{id}", …)`: paths, parameters, bodies and answers are checked by the compiler. */
  readonly api: Client<paths>;
  private readonly send: (request: Request) => Promise<Response>;
  private readonly headers: Record<string, string>;

  constructor(private readonly options: Options) {
    const retries = { attempts: 4, firstPauseMs: 500, ...options.retries };
    this.send = retryingFetch(options.fetch ?? fetch, retries);
    this.headers = { Authorization: `Bearer ${options.key}` };
    if (options.workspace) this.headers["X-Workspace-ID"] = options.workspace;
    this.api = createClient<paths>({ baseUrl: options.server, headers: this.headers, fetch: this.send });
    this.api.use({
      async onResponse({ response }) {
        if (!response.ok) throw await ApiError.of(response);
      },
    });
  }

  /** Uploads a list, CSV or XLSX, as a new batch. */
  async createBatch({ file, filename, ...fields }: NewBatch): Promise<Batch> {
    const form = new FormData();
    form.set("file", file, filename ?? "list.csv");
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined || value === null) continue;
      form.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    return (await this.request("POST", "/batches", { body: form })).json() as Promise<Batch>;
  }

  /** Yields the progress of a batch about once a second, until it has ended. Reconnects by itself. */
  async *progress(batchId: string, signal?: AbortSignal): AsyncGenerator<Progress> {
    for (;;) {
      for await (const progress of this.progressEvents(batchId, signal)) {
        yield progress;
        if (FINAL_STATUSES.includes(progress.status)) return;
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  /**
   * Yields every item of a list. Lists that can be walked by id are (calls, recipients, events): nothing is
   * repeated or skipped, whatever is added meanwhile. `params` fills in the path: `{ id: batch.id }`.
   */
  async *items<P extends ListPath>(
    path: P,
    { params = {}, query = {} }: { params?: Record<string, string>; query?: Values } = {},
  ): AsyncGenerator<ItemOf<P>> {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
    let place: Values = WALKED.has(path) ? { after_id: FIRST_ID } : { page: 1 };
    for (;;) {
      const response = await this.request("GET", filled, { query: { page_size: PAGE_SIZE, ...query, ...place } });
      const page = (await response.json()) as { items: ItemOf<P>[]; total_pages: number };
      yield* page.items;
      const last = page.items.at(-1) as { id: string } | undefined;
      if (last === undefined || (place.page !== undefined && Number(place.page) >= page.total_pages)) return;
      place = place.page === undefined ? { after_id: last.id } : { page: Number(place.page) + 1 };
    }
  }

  /** The results of a batch as CSV: the list's own columns, then what came of each recipient. */
  async results(batchId: string): Promise<string> {
    return (await this.request("GET", `/batches/${batchId}/results.csv`)).text();
  }

  /** Sends a request as `api` does, for what the generated types cannot describe. Throws ApiError. */
  async request(
    method: string,
    path: string,
    { query = {}, body, headers = {}, signal }: RequestOptions = {},
  ): Promise<Response> {
    const url = new URL(this.options.server.replace(/\/$/, "") + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const init = { method, headers: { ...this.headers, ...headers }, body, signal };
    const response = await this.send(new Request(url, init));
    if (!response.ok) throw await ApiError.of(response);
    return response;
  }

  private async *progressEvents(batchId: string, signal?: AbortSignal): AsyncGenerator<Progress> {
    const headers = { Accept: "text/event-stream" };
    const response = await this.request("GET", `/batches/${batchId}/progress`, { headers, signal });
    let rest = "";
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const line of blocks.flatMap((block) => block.split("\n"))) {
          if (line.startsWith("data:")) yield JSON.parse(line.slice("data:".length)) as Progress;
        }
      }
    } catch (error) {
      // A stream that breaks off is opened again; its first event has the whole progress.
      if (signal?.aborted || error instanceof SyntaxError) throw error;
    }
  }
}

export interface RequestOptions {
  query?: Values;
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

const WALKED: ReadonlySet<ListPath> = new Set<ListPath>([
  "/calls",
  "/calls/{id}/events",
  "/batches/{id}/recipients",
]);
