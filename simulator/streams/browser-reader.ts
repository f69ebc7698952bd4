import { launchChromium } from '../chromium.ts'
import type { StreamEvent, StreamReader } from './readers.ts'

/** The `EventSource` of Chromium. */
export async function startBrowserReader(): Promise<StreamReader> {
  const browser = await launchChromium()
  const page = await browser.newPage()
  const follow = (url: string) =>
    page.evaluate(async (url) => {
      const events: StreamEvent[] = []
      const source = new EventSource(url)
      for (const event of ['status', 'problem', 'message'])
        source.addEventListener(event, (message) => {
          const { data, lastEventId } = message as MessageEvent
          events.push({ event, data, id: lastEventId })
        })
      await new Promise<void>((resolve) => {
        source.addEventListener('error', () => source.readyState === source.CLOSED && resolve())
      })
      return events
    }, url)
  return {
    name: 'EventSource of Chromium',
    followAll: (urls) => Promise.all(urls.map(follow)),
    // Over plain HTTP only. Over TLS it reconnects.
    acceptsPartialHeads: true,
    close: () => browser.close(),
  }
}
