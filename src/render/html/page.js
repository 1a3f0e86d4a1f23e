'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const articles = [...document.querySelectorAll('article')];
  const texts = new Map(articles.map((it) => [it, it.querySelector('details').textContent.toLowerCase()]));

  const filter = () => {
    const text = $('search').value.toLowerCase();
    let shown = 0;
    for (const it of articles) {
      const fits = ['object', 'kind', 'risk', 'decision'].every((name) => !$(name).value || it.dataset[name] === $(name).value)
        && (!text || texts.get(it).includes(text));
      it.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    $('shown').textContent = shown + ' of ' + articles.length;
    $('none').hidden = shown > 0 || articles.length === 0;
  };
  for (const name of ['search', 'object', 'kind', 'risk', 'decision']) $(name).addEventListener('input', filter);

  const decided = () => {
    const found = {};
    for (const it of articles) {
      const entry = it.querySelector('.decide');
      if (entry.value !== entry.dataset.was) found[it.dataset.id] = entry.value;
      for (const row of it.querySelectorAll('.decide-row')) {
        // A row is set back to its change's decision by taking that decision.
        if (row.value !== row.dataset.was) found[it.dataset.id + '#' + row.dataset.row] = row.value || entry.value;
      }
    }
    return found;
  };
  const quote = (text) => /^[A-Za-z0-9_.\/%+-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
  const commands = () => {
    const found = Object.entries(decided());
    const of = (word) => found.filter(([, decision]) => decision === word).map(([selector]) => quote(selector));
    const path = quote(document.body.dataset.path);
    const lines = [];
    for (const word of ['approve', 'deny']) if (of(word).length) lines.push('driftwarden ' + word + ' ' + path + ' ' + of(word).join(' '));
    if (of('pending').length) lines.push('# set back to pending: use the decisions file');
    return lines.join('\n');
  };
  const file = () => '# save as decisions.json, then: driftwarden approve ' + quote(document.body.dataset.path)
    + ' --from decisions.json\n' + JSON.stringify(decided(), null, 2);
  let form = null;
  const update = () => {
    const count = Object.keys(decided()).length;
    $('count').textContent = count ? count + (count === 1 ? ' decision' : ' decisions') + ' made here' : 'Nothing decided here yet.';
    if (form) $('output').value = count ? form() : '';
  };
  const show = (made) => () => {
    form = made;
    $('output').hidden = false;
    update();
    $('output').select();
  };
  $('show-commands').addEventListener('click', show(commands));
  $('show-file').addEventListener('click', show(file));
  for (const it of document.querySelectorAll('.decide, .decide-row')) {
    // Browsers keep what was chosen before a reload: the plan's own decision is the selected attribute's.
    it.dataset.was = [...it.options].find((option) => option.defaultSelected).value;
    it.addEventListener('change', () => {
      if (it.classList.contains('decide')) it.closest('article').dataset.decision = it.value;
      update();
      filter();
    });
  }
  filter();
  update();
})();
