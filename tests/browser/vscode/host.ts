// What VS Code's notebooks do with an output: its own package draws widgets, the richest MIME type of a bundle is shown,
// and `update_display_data` puts another bundle in the place of one. The kernel is real. `window.notebook` is for a test.
import { CommsOverSubshells, type Kernel, KernelManager, ServerConnection } from "@jupyterlab/services";
import { activate } from "@vscode/jupyter-ipywidgets8";

const WIDGET = "application/vnd.jupyter.widget-view+json";
type Bundle = Record<string, unknown>;

interface Manager {
  get_model(id: string): Promise<unknown>;
  create_view(model: unknown, options: object): Promise<unknown>;
  display_view(message: unknown, view: unknown, options: { node: HTMLElement }): Promise<unknown>;
}

class Notebook {
  private readonly displays = new Map<string, HTMLElement[]>();
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly manager: Manager,
    private readonly cells: HTMLElement,
  ) {}

  /** Runs a cell below the others. Resolves with the reply's status. */
  async run(code: string): Promise<string> {
    const cell = document.createElement("section");
    cell.className = "cell";
    this.cells.append(cell);
    const future = this.kernel.requestExecute({ code });
    future.onIOPub = message => this.hear(cell, message);
    const reply = await future.done;
    cell.dataset.status = reply.content.status;
    return reply.content.status;
  }

  /** As VS Code is reported to send them: a widget's messages wait for the end of the cell that runs. */
  commsOnTheMainShell(): void {
    this.kernel.commsOverSubshells = CommsOverSubshells.Disabled;
  }

  interrupt(): Promise<void> {
    return this.kernel.interrupt();
  }

  /** Ends the kernel, which would outlive the page. */
  shutdown(): Promise<void> {
    return this.kernel.shutdown();
  }

  private hear(cell: HTMLElement, { header, content }: any): void {
    const id = content.transient?.display_id as string | undefined;
    if (header.msg_type === "update_display_data") {
      for (const output of this.displays.get(id ?? "") ?? []) this.show(output, content.data);
    } else if (["display_data", "execute_result"].includes(header.msg_type)) {
      this.show(this.output(cell, id), content.data);
    } else if (header.msg_type === "stream") {
      this.show(this.output(cell), { "text/plain": content.text });
    } else if (header.msg_type === "error") {
      this.show(this.output(cell), { "text/plain": content.traceback.join("\n") });
    }
  }

  private output(cell: HTMLElement, id?: string): HTMLElement {
    const container = document.createElement("div");
    container.className = "output_container";
    const output = document.createElement("div");
    output.className = "output";
    container.append(output);
    cell.append(container);
    if (id) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
    return output;
  }

  private async show(output: HTMLElement, data: Bundle): Promise<void> {
    output.replaceChildren();
    if (data[WIDGET]) {
      output.classList.add("cell-output-ipywidget-background");
      const model = await this.manager.get_model((data[WIDGET] as { model_id: string }).model_id);
      const view = await this.manager.create_view(model, {});
      await this.manager.display_view(data[WIDGET], view, { node: output });
      return;
    }
    output.classList.remove("cell-output-ipywidget-background");
    if (typeof data["text/html"] === "string") output.innerHTML = data["text/html"];
    else output.textContent = String(data["text/plain"] ?? "");
  }
}

/** A request for a kernel's info can be lost while the kernel starts; a new connection asks again. */
async function answered(kernel: Kernel.IKernelConnection): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    const late = new Promise<"late">(resolve => setTimeout(resolve, 15_000, "late"));
    if ((await Promise.race([kernel.info, late])) !== "late") return;
    await kernel.reconnect();
  }
  throw new Error("the kernel does not answer");
}

/** `anywidget`: the text of its AMD module, which VS Code finds in the environment. */
async function start(baseUrl: string, token: string, anywidget: string): Promise<void> {
  activate();
  (window as any).vscIPyWidgets8.load();
  const serverSettings = ServerConnection.makeSettings({ baseUrl, wsUrl: baseUrl.replace("http", "ws"), token });
  const kernels = new KernelManager({ serverSettings });
  const kernel = await kernels.startNew({ name: "python3" });
  await answered(kernel);
  const scriptLoader = {
    widgetsRegisteredInRequireJs: new Set<string>(),
    successHandler: () => {},
    errorHandler: (...told: unknown[]) => console.error("widget", ...told),
    loadWidgetScript: async (name: string) => {
      const url = URL.createObjectURL(new Blob([anywidget], { type: "text/javascript" }));
      (window as any).requirejs.config({ paths: { [name]: `${url}#` } });
      await new Promise((done, failed) => (window as any).requirejs([name], done, failed));
      scriptLoader.widgetsRegisteredInRequireJs.add(name);
    },
  };
  const cells = document.querySelector("main") as HTMLElement;
  const Manager = (window as any).vscIPyWidgets.WidgetManager;
  const manager = new Manager(kernel, cells, scriptLoader, () => {}) as Manager;
  (window as any).notebook = new Notebook(kernel, manager, cells);
}

(window as any).start = start;
