'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const articles = [...document.querySelectorAll('article')];
  if (articles.length === 0) return;
  const byId = new Map(articles.map((it) => [it.dataset.id, it]));
  const texts = new Map(articles.map((it) => [it, it.querySelector('details').textContent.toLowerCase()]));
  const names = ['object', 'kind', 'risk', 'decision'];
  const plural = (count, one) => count + ' ' + one + (count === 1 ? '' : 's');

  // What is shown.
  const filter = () => {
    const text = $('search').value.trim().toLowerCase();
    let shown = 0;
    for (const it of articles) {
      const fits = names.every((name) => !$(name).value || it.dataset[name] === $(name).value) && (!text || texts.get(it).includes(text));
      it.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const it of document.querySelectorAll('.object')) it.hidden = !it.querySelector('article:not([hidden])');
    for (const it of document.querySelectorAll('.bar')) it.setAttribute('aria-pressed', $(it.dataset.filter).value === it.dataset.value);
    const all = shown === articles.length;
    $('shown').textContent = all ? plural(shown, 'change') : shown + ' of ' + plural(articles.length, 'change');
    $('clear').hidden = all;
    $('none').hidden = shown > 0;
  };
  for (const name of ['search', ...names]) $(name).addEventListener('input', filter);
  for (const it of document.querySelectorAll('.bar')) it.addEventListener('click', () => {
    const select = $(it.dataset.filter);
    select.value = select.value === it.dataset.value ? '' : it.dataset.value;
    filter();
    $('search').scrollIntoView({ block: 'start' });
  });
  $('clear').addEventListener('click', () => {
    for (const name of ['search', ...names]) $(name).value = '';
    filter();
  });

  // What is decided.
  const ticks = { approve: '✓', deny: '✗', pending: '…', '': '·' };
  const setRow = (row, own) => {
    if (own) row.dataset.own = own; else delete row.dataset.own;
    const tick = row.querySelector('.tick');
    tick.textContent = ticks[own || ''];
    tick.title = own ? 'this row: ' + own : 'this row follows its change: tap to decide on it alone';
    tick.setAttribute('aria-label', 'row ' + row.dataset.row + ': ' + (own || 'as its change'));
  };
  const set = (article, decision) => {
    article.dataset.decision = decision;
    for (const it of article.querySelectorAll('.decide')) it.setAttribute('aria-pressed', it.dataset.value === decision);
  };
  const decided = () => {
    const found = {};
    for (const it of articles) {
      if (it.dataset.decision !== it.dataset.was) found[it.dataset.id] = it.dataset.decision;
      for (const row of it.querySelectorAll('tbody[data-row]')) {
        // A row is set back to its change's decision by taking that decision.
        if ((row.dataset.own || '') !== (row.dataset.ownWas || '')) found[it.dataset.id + '#' + row.dataset.row] = row.dataset.own || it.dataset.decision;
      }
    }
    return found;
  };
  const anyApproved = (it) => it.dataset.decision === 'approve' || it.querySelector('tbody[data-own=approve]');
  const waits = () => {
    for (const it of articles) {
      const needs = anyApproved(it) ? it.dataset.after.split('\n').filter((id) => byId.has(id) && !anyApproved(byId.get(id))) : [];
      const line = it.querySelector('.waits');
      line.hidden = needs.length === 0;
      line.textContent = 'apply will refuse this until ' + needs.join(', ') + (needs.length === 1 ? ' is approved' : ' are approved');
    }
  };

  // What to do with it.
  const quote = (text) => /^[A-Za-z0-9_.\/%+-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
  const path = quote(document.body.dataset.path);
  const commands = () => {
    const found = Object.entries(decided());
    const lines = [];
    for (const word of ['approve', 'deny']) {
      const of = found.filter(([, decision]) => decision === word).map(([selector]) => quote(selector));
      if (of.length) lines.push('driftwarden ' + word + ' ' + path + ' ' + of.join(' '));
    }
    if (found.some(([, decision]) => decision === 'pending')) lines.push('# set back to pending: take the decisions file');
    return lines.join('\n');
  };
  const file = () => JSON.stringify(decided(), null, 2) + '\n';
  let form = null;
  let url = null;
  const update = () => {
    waits();
    const count = Object.keys(decided()).length;
    const now = (word) => articles.filter((it) => it.dataset.decision === word).length;
    $('count').textContent = now('approve') + ' approved, ' + now('deny') + ' denied, ' + now('pending') + ' pending'
      + (count ? ' · ' + plural(count, 'decision') + ' made here' : '');
    for (const id of ['show-commands', 'show-file', 'reset']) $(id).disabled = count === 0;
    if (count === 0) form = null;
    $('exported').hidden = form === null;
    if (form === null) return;
    $('output').value = form();
    $('how').textContent = form === commands ? 'Run this where the plan is:' : 'Save this as decisions.json, then run: driftwarden approve ' + path + ' --from decisions.json';
    $('download').hidden = form === commands;
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([file()], { type: 'application/json' }));
    $('download').href = url;
  };
  const show = (made) => () => {
    form = made;
    update();
    $('output').select();
  };
  $('show-commands').addEventListener('click', show(commands));
  $('show-file').addEventListener('click', show(file));
  $('close').addEventListener('click', () => { form = null; update(); });
  $('copy').addEventListener('click', () => {
    $('output').select();
    document.execCommand('copy');
    $('copy').textContent = 'Copied';
    setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500);
  });
  const several = (wanted, decision) => {
    for (const it of articles) if (wanted(it)) set(it, decision);
    update();
    filter();
  };
  // What needs its own approval is ticked on its own only.
  $('approve-safe').addEventListener('click', () => several((it) => it.dataset.risk === 'safe' && !('own' in it.dataset) && it.dataset.decision === 'pending', 'approve'));
  $('approve-shown').addEventListener('click', () => several((it) => !it.hidden && !('own' in it.dataset), 'approve'));
  $('deny-shown').addEventListener('click', () => several((it) => !it.hidden, 'deny'));
  $('reset').addEventListener('click', () => {
    for (const it of articles) {
      set(it, it.dataset.was);
      for (const row of it.querySelectorAll('tbody[data-row]')) setRow(row, row.dataset.ownWas);
    }
    update();
    filter();
  });
  $('changes').addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    if (button.classList.contains('decide')) {
      set(button.closest('article'), button.dataset.value);
    } else if (button.classList.contains('tick')) {
      const row = button.closest('tbody');
      const order = ['', 'approve', 'deny'];
      setRow(row, order[(order.indexOf(row.dataset.own || '') + 1) % order.length]);
    } else {
      return;
    }
    update();
    // A filter by decision must not take what was just decided from under the finger.
    if (!$('decision').value) filter();
  });
  for (const row of document.querySelectorAll('tbody[data-row]')) setRow(row, row.dataset.ownWas);
  filter();
  update();
})();
