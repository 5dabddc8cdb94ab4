/** Stands for your own users. */
export interface User {
  readonly id: string;
  readonly name: string;
}

export const USERS: readonly User[] = [
  { id: "alice", name: "Alice" },
  { id: "bob", name: "Bob" },
];

export const userOf = (id: unknown) => USERS.find((user) => user.id === id) ?? null;
