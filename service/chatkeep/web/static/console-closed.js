// The console's page for whom it is not: they sign in, or read that it is for administrators.
import { begin } from "./sign-in.js";

begin();
