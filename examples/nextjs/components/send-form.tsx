"use client";

import { useActionState } from "react";
import { sendMessage } from "@/app/actions";
import type { User } from "@/lib/users";

interface Props {
  readonly users: readonly User[];
  readonly from: string;
  readonly formKey: string;
}

export function SendForm({ users, from, formKey }: Props) {
  const [draft, send, isSending] = useActionState(sendMessage, { key: formKey, title: "", body: "", says: "" });
  return (
    <form action={send} className="card">
      <h2>Send</h2>
      <label>
        To
        <select name="to" defaultValue={from}>
          {users.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Title
        <input name="title" defaultValue={draft.title} maxLength={255} required />
      </label>
      <label>
        Text
        <textarea name="body" defaultValue={draft.body} rows={3} />
      </label>
      <button disabled={isSending}>{isSending ? "Sending …" : "Send"}</button>
      <output>{draft.says}</output>
    </form>
  );
}
