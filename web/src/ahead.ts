/** Fetches the script of a page before it is needed. Without a connection just now, it is fetched when it is. */
export function ahead(load: () => Promise<unknown>): void {
  load().catch(() => undefined)
}
