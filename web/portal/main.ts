import { mount } from 'svelte';
import '../ui/base.css';
import '../ui/table.css';
import { startTheme } from '../ui/theme.svelte';
import Portal from './Portal.svelte';
import { PortalStore } from './portal.svelte';

startTheme('system');
const store = new PortalStore();
store.resume();
const target = document.getElementById('page');
if (target) mount(Portal, { target, props: { store } });
