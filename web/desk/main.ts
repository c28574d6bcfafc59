import { mount } from 'svelte';
import '../ui/base.css';
import { startTheme } from '../ui/theme.svelte';
import Desk from './Desk.svelte';
import { DeskStore } from './desk.svelte';
import { linkIn } from './enter/link';

// The desk is used at night: dark, unless the reader chose otherwise.
startTheme('dark');
const store = new DeskStore();
// The link of a mail asks first: a desk that is open in another tab, perhaps in a call, stays where it is until then.
if (!linkIn(location.hash)) store.resume();
const target = document.getElementById('page');
if (target) mount(Desk, { target, props: { store } });
