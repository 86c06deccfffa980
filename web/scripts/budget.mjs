// What a first visit loads of JavaScript, gzipped: the page's own script and whatever it imports at once.
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

const LIMIT_KB = 120
const dist = new URL('../dist/', import.meta.url)
const page = await readFile(new URL('index.html', dist), 'utf8')
const seen = new Set()

async function load(path) {
  if (seen.has(path)) return 0
  seen.add(path)
  const file = await readFile(new URL(path, dist))
  let bytes = gzipSync(file, { level: 9 }).length
  for (const [, name] of file.toString().matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) {
    bytes += await load(`assets/${name}`)
  }
  return bytes
}

let bytes = 0
for (const [, path] of page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)) bytes += await load(path)
console.log(`first load: ${(bytes / 1000).toFixed(1)} kB of JavaScript gzipped, at most ${LIMIT_KB}`)
if (bytes > LIMIT_KB * 1000) process.exit(1)
