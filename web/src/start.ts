/**
 * What runs first: it lets the browser paint what the edge wrote into the page, covers included, and only then starts
 * the shop. Started at once, the shop would keep a slow processor from painting what it has long had.
 */

import './styles/index.css'

const PATIENCE_MS = 400 // for covers that are slow to come; a page that lies in the background paints nothing

function covers(): Promise<unknown> {
  const first = document.querySelectorAll<HTMLImageElement>('main img:not([loading=lazy])')
  return Promise.allSettled(Array.from(first, (image) => image.decode()))
}

function painted(): Promise<void> {
  // The second frame begins when the first one has been handed over for painting.
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function start(): Promise<void> {
  await Promise.race([covers().then(painted), passed(PATIENCE_MS)])
  const { show } = await import('./main')
  await show()
}

void start()
