import type { Devices } from '../../calls/audio';

// Which microphone, headphones and ringing loudspeaker this machine uses: kept per browser, not per person.

const STORED = 'holdfast.devices';
const NONE: Devices = { microphone: '', headphones: '', ring: '', raw: false };

export function readDevices(): Devices {
  try {
    const kept = JSON.parse(localStorage.getItem(STORED) ?? '{}') as Partial<Devices>;
    return {
      microphone: String(kept.microphone ?? ''),
      headphones: String(kept.headphones ?? ''),
      ring: String(kept.ring ?? ''),
      raw: kept.raw === true,
    };
  } catch {
    return NONE;
  }
}

export function storeDevices(devices: Devices): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(devices));
  } catch {
    // holds until the page is closed
  }
}

export interface Found {
  microphones: MediaDeviceInfo[];
  outputs: MediaDeviceInfo[];
}

/** What is plugged in. Names are empty until the microphone was allowed once. */
export async function findDevices(): Promise<Found> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const named = (kind: MediaDeviceKind) => all.filter((d) => d.kind === kind && d.deviceId !== '');
  return { microphones: named('audioinput'), outputs: named('audiooutput') };
}
