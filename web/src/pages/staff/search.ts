/** What staff looks at, as it stands in the address: a list of orders, an import. */

export const STATUSES = ['placed', 'confirmed', 'shipped', 'delivered', 'cancelled', 'refunded'] as const
export type Status = (typeof STATUSES)[number]
export type OrdersSearch = { status?: Status | undefined; email?: string | undefined }

export function ordersSearch(raw: Record<string, unknown>): OrdersSearch {
  const status = STATUSES.find((each) => each === raw.status)
  const email = typeof raw.email === 'string' && raw.email ? raw.email : undefined
  return { status, email } // undefined lies over what the address says
}

export function importSearch({ id }: Record<string, unknown>): { id?: string | undefined } {
  return { id: typeof id === 'string' ? id : undefined }
}
