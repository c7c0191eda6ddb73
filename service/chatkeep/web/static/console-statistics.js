// Statistics: drawn by the server, so that there is nothing to do but to let in.
import { begin } from "./sign-in.js";

begin();
