/** What a reader did to the page before its script had it: it is not lost when the script takes over. */

export type Early = { text: string; focused: boolean }

let early: Early = { text: '', focused: false }

/** Looks at the search field that the edge wrote; just before it is replaced. */
export function lookAtEarly(): void {
  const field = document.querySelector<HTMLInputElement>('.find input')
  if (field) early = { text: field.value, focused: document.activeElement === field }
}

export function foundEarly(): Early {
  return early
}
