// What npm's statuspage.io reads of a page. Argument: the API's address.
import { Statuspage } from "statuspage.io";

const page = new Statuspage("acme");
page.setApiUrl(process.argv[2].replace(/\/api\/v2\/$/, ""));
const { api } = page;
console.log(JSON.stringify({
  status: await api.getStatus(),
  summary: await api.getSummary(),
  components: await api.getComponents(),
  incidents: await api.incidents.getAll(),
  unresolved: await api.incidents.getUnresolved(),
  maintenances: await api.scheduledMaintenances.getAll(),
  active: await api.scheduledMaintenances.getActive(),
  upcoming: await api.scheduledMaintenances.getUpcoming(),
}));
