import { mount } from 'svelte';
import '../ui/base.css';
import { startTheme } from '../ui/theme.svelte';
import Desk from './Desk.svelte';
import { DeskStore } from './desk.svelte';

// The desk is used at night: dark, unless the reader chose otherwise.
startTheme('dark');
const store = new DeskStore();
store.resume();
const target = document.getElementById('page');
if (target) mount(Desk, { target, props: { store } });
