import { createElement, type ReactNode } from 'react'
import { renderToString } from 'react-dom/server'
import t from 'tap'
import { createClient } from '../../../client/index.js'
import { createHooks } from '../../../client/react/index.js'

t.test('a page is rendered on a server without a client: nothing is joined, called or loaded', async (t) => {
  const { WsProvider, useCall, useChannel, useClient, useConfirmations, usePresence, useStatus, useTask, useTasks } = createHooks()
  let call
  function Page () {
    const order = useCall('orders.place')
    call = order.call
    const text = [
      useStatus().status, useChannel('room').status, useChannel(null).status, usePresence('room').length, useTasks().length,
      useTask('1') === undefined, useConfirmations().length, order.isPending, order.error, order.data
    ]
    return createElement('p', null, JSON.stringify(text))
  }
  const html = renderToString(createElement(WsProvider, { client: null }, createElement(Page)))
  t.equal(html.replaceAll('&quot;', '"'), '<p>["connecting","joining","left",0,0,true,0,false,null,null]</p>')
  await t.rejects(call!(), { code: 'closed', delivery: 'not-sent' })

  const Wrong = () => createElement('p', null, useClient().status)
  t.throws(() => renderToString(createElement(WsProvider, { client: null }, createElement(Wrong))), /only where a browser renders/)
})

t.test('with a client a server renders the same, and the client stays as it is', (t) => {
  const client = createClient({ url: 'http://127.0.0.1:9/ws', autoConnect: false })
  const { useChannel, useStatus, useTasks } = createHooks(client)
  const Page = (): ReactNode => `${useStatus().status} ${useChannel('room').status} ${useTasks().length}`
  t.equal(renderToString(createElement(Page)), 'connecting joining 0')
  t.equal(client.status, 'closed')
  t.end()
})

t.test('a hook without a client says what is missing', (t) => {
  const { useStatus } = createHooks()
  const Page = () => useStatus().status
  t.throws(() => renderToString(createElement(Page)), /There is no client: put the component into a WsProvider/)
  t.end()
})
