// Names for the types that programs use most. All of them are in `components["schemas"]`.
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Agent = Schemas["Agent"];
export type Batch = Schemas["Batch"];
export type Call = Schemas["Call"];
export type PhoneNumber = Schemas["PhoneNumber"];
export type Progress = Schemas["Progress"];
export type Recipient = Schemas["Recipient"];

/** What a batch is created with: its list, and the fields of `POST /batches` beside it. */
export type NewBatch = Omit<Schemas["NewBatchUploadRequest"], "file"> & { file: Blob; filename?: string };

/** Every event that VoiceOps sends; `type` says which. */
export type WebhookEvent =
  | Schemas["CallEventPayload"]
  | Schemas["CallAnalyzedPayload"]
  | Schemas["CallDispositionPayload"]
  | Schemas["BatchEventPayload"]
  | Schemas["RecipientEventPayload"]
  | Schemas["CallbackEventPayload"]
  | Schemas["TestEventPayload"];

type Answer<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;

/** The paths that answer with a page of a list. */
export type ListPath = {
  [P in keyof paths]: Answer<P> extends { items: unknown[]; total_pages: number } ? P : never;
}[keyof paths];

/** What stands on the pages of a list. */
export type ItemOf<P extends ListPath> = Answer<P> extends { items: (infer Item)[] } ? Item : never;
