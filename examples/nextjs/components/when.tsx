/** Only shown in a browser, in its language and time zone. */
export function When({ time }: { readonly time: string }) {
  return <time dateTime={time}>{new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</time>;
}
